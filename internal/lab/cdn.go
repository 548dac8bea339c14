package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// StartVarnish starts varnishd with a VCL of its own, 32 MB of memory and no management port. dir is its working
// directory.
func StartVarnish(ctx context.Context, dir, vcl string) (*Service, error) {
	return serve(ctx, dir, launch{name: "varnishd", hint: "apt-get install -y varnish",
		command: func(at netip.AddrPort) ([]string, error) {
			dir, err := filepath.Abs(dir)
			if err != nil {
				return nil, err
			}
			file := filepath.Join(dir, "site.vcl")
			program, err := sbin("varnishd")
			if err != nil {
				return nil, err
			}
			return []string{program, "-F", "-n", filepath.Join(dir, "work"), "-a", at.String(), "-f", file, "-s", "malloc,32m", "-T", "none", "-j", "none"},
				os.WriteFile(file, []byte(vcl), 0o644)
		}})
}

// StartNginx starts nginx as one process. http is what stands in its http block; LISTEN there is the address to listen
// on, DIR the working directory.
func StartNginx(ctx context.Context, dir, http string) (*Service, error) {
	return serve(ctx, dir, launch{name: "nginx", hint: "apt-get install -y nginx-light",
		command: func(at netip.AddrPort) ([]string, error) {
			dir, err := filepath.Abs(dir)
			if err != nil {
				return nil, err
			}
			program, err := sbin("nginx")
			if err != nil {
				return nil, err
			}
			file := filepath.Join(dir, "nginx.conf")
			conf := strings.NewReplacer("LISTEN", at.String(), "DIR", dir).Replace(nginxMain(http))
			return []string{program, "-c", file, "-e", "stderr"}, os.WriteFile(file, []byte(conf), 0o644)
		}})
}

// sbin finds a daemon, which many users' PATH does not lead to.
func sbin(name string) (string, error) {
	for dir := range strings.SplitSeq(os.Getenv("PATH")+":/usr/sbin:/sbin", ":") {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, os.ErrNotExist)
}

func nginxMain(http string) string {
	var b strings.Builder
	b.WriteString("daemon off;\nmaster_process off;\npid DIR/pid;\nerror_log stderr warn;\nevents { worker_connections 512; }\nhttp {\n  access_log off;\n  default_type application/octet-stream;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "  %s_temp_path DIR/%s;\n", kind, kind)
	}
	return b.String() + http + "\n}\n"
}

// VarnishCDN is the VCL of a CDN before g's bucket (http): it keeps objects as long as their Cache-Control says, and at
// most longest, if that is not 0; asks with If-None-Match afterwards; gives nothing stale; remembers no errors; and does
// PURGE and BAN (header X-Ban-Url) for clients on loopback.
func VarnishCDN(g *S3, longest time.Duration) string {
	limit := ""
	if longest > 0 {
		limit = fmt.Sprintf("  if (beresp.ttl > %[1]dms) { set beresp.ttl = %[1]dms; }\n", longest.Milliseconds())
	}
	return fmt.Sprintf(`vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "%d"; }
acl near { "127.0.0.0"/8; }
sub vcl_recv {
  if (req.method == "PURGE" || req.method == "BAN") {
    if (client.ip !~ near) { return (synth(403)); }
    if (req.method == "PURGE") { return (purge); }
    ban("obj.http.x-url ~ " + req.http.x-ban-url);
    return (synth(200, "Banned"));
  }
  if (req.method != "GET" && req.method != "HEAD") { return (synth(405)); }
  unset req.http.cookie;
  unset req.http.authorization;
  set req.http.x-url = req.url;
  return (hash);
}
sub vcl_backend_fetch {
  set bereq.url = "/%s" + bereq.http.x-url;
  set bereq.http.host = "%s";
}
sub vcl_backend_response {
  set beresp.http.x-url = bereq.http.x-url;
%s  set beresp.grace = 0s;
  set beresp.keep = 10m;
  if (beresp.status >= 400) { set beresp.ttl = 0s; set beresp.uncacheable = true; }
  return (deliver);
}
sub vcl_deliver {
  if (obj.hits > 0) { set resp.http.x-cache = "HIT"; } else { set resp.http.x-cache = "MISS"; }
  unset resp.http.x-url;
}
`, g.Addr.Port(), g.Bucket, g.Addr, limit)
}

// NginxCDN is the same for nginx, as StartNginx takes it. It knows no BAN, and its PURGE fetches the object anew: no module
// is needed for that. (Debian 12's ngx_cache_purge crashes.) With longest, a number of whole seconds, everything is kept
// for that long whatever Cache-Control says.
func NginxCDN(g *S3, longest time.Duration) string {
	var rules string
	if g.CA != "" {
		rules += "  proxy_ssl_verify on;\n  proxy_ssl_trusted_certificate " + g.CA + ";\n"
	}
	if longest > 0 {
		rules += fmt.Sprintf("  proxy_ignore_headers Cache-Control Expires;\n  proxy_cache_valid 200 %ds;\n", max(1, int(longest.Seconds())))
	}
	return fmt.Sprintf(`  proxy_cache_path DIR/cache keys_zone=site:4m use_temp_path=off;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Authorization "";
  proxy_cache site;
  proxy_cache_key $request_uri;
  proxy_cache_revalidate on;
  proxy_cache_lock on;
%s  server {
    listen LISTEN;
    add_header X-Cache $upstream_cache_status;
    error_page 418 = /.purge$uri;
    location / {
      if ($request_method = PURGE) { return 418; }
      proxy_pass %s;
    }
    location ~ ^/[.]purge/(.*)$ {
      internal;
      allow 127.0.0.0/8;
      deny all;
      proxy_cache_bypass 1;
      proxy_pass %s$1;
    }
  }`, rules, g.URL(), g.URL())
}
