"""Prints what SAM makes of a template, as JSON with sorted keys: transform.py template.yaml

It uses the translator that comes with SAM CLI, without a network. Code is taken
to be uploaded already.
"""
import json
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

with open(sys.argv[1], encoding="utf-8") as f:
    template = yaml_parse(f.read())
template["Globals"]["Function"]["CodeUri"] = "s3://bucket/function.zip"
for parameter in template["Parameters"].values():
    parameter.setdefault("Default", "")
made = Translator({}, Parser()).translate(sam_template=template, parameter_values={})
json.dump(made, sys.stdout, indent=1, sort_keys=True)
print()
