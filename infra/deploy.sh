#!/usr/bin/env bash
# Deploys template.yaml, or takes the deployment away:
#
#   infra/deploy.sh deploy|destroy dev|prod
#
# samconfig.toml says where to. The key that signs callback addresses is made
# with the stack and kept by CloudFormation, which shows it to nobody; deploying
# again leaves it as it is. ARCH is arm64 (the default) or x86_64, PARAMETERS
# are more of template.yaml's parameters (CallbackKeys=<new>,<old>).
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-} env=${2:-} arch=${ARCH:-arm64}
config=infra/samconfig.toml

# setting NAME: what samconfig.toml says for this environment.
setting() { sed -n "/^\[$env\.deploy\.parameters\]/,/^\[/s/^$1 = \"\(.*\)\"/\1/p" "$config"; }

stack=$(setting stack_name)
if [ -z "$stack" ] || [ "$what" != deploy ] && [ "$what" != destroy ]; then
	set -- $(sed -n 's/^\[\(.*\)\.deploy\.parameters\]/\1/p' "$config")
	echo "usage: infra/deploy.sh deploy|destroy ENV, with an ENV of $config: $*" >&2
	exit 2
fi
case $arch in
arm64 | x86_64) ;;
*) echo "ARCH is \"$arch\"; arm64 or x86_64 is expected" >&2; exit 2 ;;
esac
# What is built follows ARCH alone.
case " ${PARAMETERS:-}" in
*[[:space:]\"\'=]Architecture[=,\"\']*)
	echo "Architecture is no word for PARAMETERS, what is built would be for $arch: say ARCH=arm64 or ARCH=x86_64 instead" >&2
	exit 2
	;;
esac
for tool in aws sam openssl; do
	command -v "$tool" >/dev/null || { echo "missing $tool: deploying needs the AWS CLI, SAM CLI and openssl" >&2; exit 1; }
done

# state is the stack's, "none" where there is no stack yet.
state() {
	local out
	if out=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus' --output text 2>&1); then
		echo "$out"
	elif grep -q 'does not exist' <<<"$out"; then
		echo none
	else
		echo "$out" >&2
		return 1
	fi
}

deploy() {
	local now overrides
	now=$(state)
	overrides="$(setting parameter_overrides) Architecture=$arch"
	case $now in
	none | REVIEW_IN_PROGRESS) overrides="$overrides CallbackKeys=$(openssl rand -hex 32)" ;;
	ROLLBACK_COMPLETE | ROLLBACK_FAILED | DELETE_FAILED)
		cat >&2 <<-END
			The stack $stack is in $now, in which CloudFormation allows nothing but deleting it:
			  aws cloudformation delete-stack --stack-name $stack
			  aws cloudformation wait stack-delete-complete --stack-name $stack
			Then deploy again. Why it came to that is among its events:
			  aws cloudformation describe-stack-events --stack-name $stack
		END
		return 1
		;;
	esac
	overrides="$overrides ${PARAMETERS:-}" # the last one of a name counts
	ARCH=$arch sam build --parallel --cached --parameter-overrides "Architecture=$arch"
	# shellcheck disable=SC2086 # one word for each parameter
	sam deploy --config-file "$config" --config-env "$env" --parameter-overrides $overrides
}

# destroy keeps the table: with what has been promised in it.
destroy() {
	local table
	table=$(aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id Table --query StackResourceDetail.PhysicalResourceId --output text)
	sam delete --stack-name "$stack" $([ "$env" = prod ] || echo --no-prompts)
	cat <<-END
		The table $table is kept. To delete it with everything in it:
		  aws dynamodb update-table --table-name $table --no-deletion-protection-enabled
		  aws dynamodb delete-table --table-name $table
	END
}

"$what"
