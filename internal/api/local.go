package api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// LocalOnly refuses what a web page in the operator's browser could send to a
// server without keys on this machine: requests under a foreign name, which a
// rebound DNS entry makes (Host), and requests made by another site (Origin).
// Loopback names and addresses and allowedHosts (without ports) are let
// through.
func LocalOnly(next http.Handler, allowedHosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host, allowedHosts) {
			writeProblem(w, forbidden("The Host header names "+quoteHost(r.Host)+"; this server answers to loopback names only."))
			return
		}
		for _, origin := range r.Header.Values("Origin") {
			u, err := url.Parse(origin)
			if err != nil || u.Host == "" || !localHost(u.Host, allowedHosts) || !samePort(u, r) {
				writeProblem(w, forbidden("The Origin header names another site."))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func forbidden(detail string) Problem {
	return Problem{Type: ProblemType + "forbidden", Title: "Forbidden", Status: http.StatusForbidden, Detail: detail}
}

func quoteHost(host string) string {
	if host == "" {
		return "nothing"
	}
	if len(host) > 100 {
		host = host[:100]
	}
	return `"` + strings.ToValidUTF8(host, "?") + `"`
}

func localHost(hostport string, allowed []string) bool {
	host := hostname(hostport)
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(allowed, func(a string) bool {
		return host != "" && strings.EqualFold(a, host)
	})
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// samePort reports whether the origin is this very server: another local
// program's page is as foreign as any.
func samePort(origin *url.URL, r *http.Request) bool {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "" // the scheme's own, which the origin leaves out too
	}
	return origin.Port() == port
}
