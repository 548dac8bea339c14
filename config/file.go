package config

import "tidemark/internal/strictyaml"

// The file as it is written: pointers are nil when a key is absent.

type publisherFile struct {
	strictyaml.Pos `yaml:"-"`
	Network        string                       `yaml:"network,required" want:"the network's name, e.g. centos"`
	State          string                       `yaml:"state,required" want:"a directory for what must be remembered, e.g. /var/lib/tidemark"`
	Validity       *strictyaml.Duration         `yaml:"validity"`
	Keep           *strictyaml.Duration         `yaml:"keep"`
	Inventory      strictyaml.OneOrMany[string] `yaml:"inventory,required" want:"a list of files and directories with servers" each:"a file or a directory"`
	Trees          map[string]treeFile          `yaml:"trees,required" want:"the trees by their names" each:"master, anchors and quorum of the tree"`
	Sign           signFile                     `yaml:"sign,required" want:"the signing keys openpgp and ed25519"`
	Trust          string                       `yaml:"trust,required" want:"the trust document, e.g. trust.json"`
	Publish        []targetFile                 `yaml:"publish,required" want:"a list of places to publish at, e.g. [{dir: /srv/www/centos}]" each:"a place to publish at, e.g. {dir: /srv/www/centos}"`
	Beacon         *beaconFile                  `yaml:"beacon" want:"the beacon, e.g. {name: _tidemark.example.org}"`
	Checkin        *checkinFile                 `yaml:"checkin" want:"where mirrors check in, e.g. {spool: /var/spool/tidemark}"`
	Probe          probeFile                    `yaml:"probe"`
	Settle         *strictyaml.Duration         `yaml:"settle"`
	Guard          guardFile                    `yaml:"guard"`
	Policy         policyFile                   `yaml:"policy"`
}

type treeFile struct {
	strictyaml.Pos `yaml:"-"`
	Master         string               `yaml:"master,required" want:"the tree's directory, or its rsync:// URL"`
	TimeFile       *string              `yaml:"time_file"`
	Anchors        []string             `yaml:"anchors,required" want:"a list of patterns, e.g. [\"**/repodata/repomd.xml\"]" each:"a pattern"`
	Exclude        []string             `yaml:"exclude" want:"a list of rsync patterns, e.g. [\".htpasswd\"]" each:"an rsync pattern"`
	Quorum         *string              `yaml:"quorum" want:"all, majority, a share like 80%, or a number of nodes like 3"`
	MaxWait        *strictyaml.Duration `yaml:"max_wait"`
}

type signFile struct {
	strictyaml.Pos `yaml:"-"`
	OpenPGP        strictyaml.OneOrMany[keyFile] `yaml:"openpgp,required" want:"a key, e.g. {key: keys/openpgp.asc}, or a list of such"`
	Ed25519        strictyaml.OneOrMany[keyFile] `yaml:"ed25519,required" want:"a key, e.g. {key: keys/ed25519.key}, or a list of such"`
}

type keyFile struct {
	strictyaml.Pos `yaml:"-"`
	Key            *string  `yaml:"key" want:"the private key's file"`
	GPG            *string  `yaml:"gpg" want:"the fingerprint of a key that gpg has, 40 hex digits"`
	GPGHome        *string  `yaml:"gpg_home" want:"gpg's home directory"`
	SSHAgent       *string  `yaml:"ssh_agent" want:"the socket of an ssh-agent, or env for the one in SSH_AUTH_SOCK"`
	KMS            *kmsFile `yaml:"kms" want:"a key of AWS KMS, e.g. alias/centos or {key: alias/centos, region: eu-north-1}"`
	Public         *string  `yaml:"public" want:"the file that tidemark keys adopt wrote"`
	PassphraseFile *string  `yaml:"passphrase_file" want:"a file that holds the passphrase"`
	PassphraseEnv  *string  `yaml:"passphrase_env" want:"the name of an environment variable"`
	Credential     *string  `yaml:"credential" want:"the name of a systemd credential"`
}

type kmsFile struct {
	strictyaml.Pos `yaml:"-"`
	Key            string  `yaml:"key,short" want:"a key's id, its ARN, or alias/NAME"`
	Region         *string `yaml:"region" want:"the region, e.g. eu-north-1"`
	Endpoint       *string `yaml:"endpoint" want:"another address of the API, https://..."`
	CA             *string `yaml:"ca" want:"a PEM file with the endpoint's certificate authority"`
}

type targetFile struct {
	strictyaml.Pos `yaml:"-"`
	Dir            *string     `yaml:"dir" want:"a directory"`
	URL            *string     `yaml:"url" want:"the address at which readers see it, https://..."`
	S3             *s3File     `yaml:"s3" want:"a bucket, e.g. {bucket: mirrors, prefix: centos/, region: eu-north-1}"`
	Purge          []purgeFile `yaml:"purge" want:"a list of caches, e.g. [{cloudfront: E2EXAMPLE}]" each:"a cache, e.g. {url: http://127.0.0.1:6081/centos/}"`
}

type s3File struct {
	strictyaml.Pos `yaml:"-"`
	Bucket         string  `yaml:"bucket,required" want:"the bucket's name"`
	Prefix         *string `yaml:"prefix" want:"what the names of the objects begin with, e.g. centos/"`
	Region         *string `yaml:"region" want:"the region, e.g. eu-north-1"`
	Endpoint       *string `yaml:"endpoint" want:"the address of a store that is not AWS, https://..."`
	PathStyle      *bool   `yaml:"path_style"`
	CA             *string `yaml:"ca" want:"a PEM file with the store's certificate authority"`
	Checksum       *string `yaml:"checksum" want:"when_required, for stores that cannot read checksums"`
}

type purgeFile struct {
	strictyaml.Pos `yaml:"-"`
	CloudFront     *string `yaml:"cloudfront" want:"a distribution's id, e.g. E2EXAMPLE"`
	URL            *string `yaml:"url" want:"the address at which the cache has the site"`
	Method         *string `yaml:"method" want:"PURGE or BAN"`
	TokenFile      *string `yaml:"token_file" want:"a file that holds the cache's token"`
}

type beaconFile struct {
	strictyaml.Pos `yaml:"-"`
	Name           string                       `yaml:"name,required" want:"the record's name, e.g. _tidemark.example.org"`
	TTL            *strictyaml.Duration         `yaml:"ttl"`
	Plain          *plainFile                   `yaml:"plain"`
	RFC2136        *rfc2136File                 `yaml:"rfc2136" want:"a primary server, e.g. {server: ns.example.org, tsig_file: tsig.key}"`
	Route53        *route53File                 `yaml:"route53" want:"a hosted zone, e.g. {zone: Z0123456789EXAMPLE}"`
	ZoneFile       *zoneFile                    `yaml:"zone_file" want:"a fragment of a zone, e.g. {path: /etc/bind/tidemark.inc}"`
	Servers        strictyaml.OneOrMany[string] `yaml:"servers" want:"a name server, or a list of such" each:"a name server, e.g. ns1.example.org"`
}

type rfc2136File struct {
	strictyaml.Pos `yaml:"-"`
	Server         string  `yaml:"server,required" want:"the primary server, e.g. ns.example.org"`
	Zone           *string `yaml:"zone" want:"the zone's name, e.g. example.org"`
	TSIGFile       string  `yaml:"tsig_file,required" want:"the file with the TSIG key, e.g. tsig.key"`
}

type route53File struct {
	strictyaml.Pos `yaml:"-"`
	Zone           string  `yaml:"zone,required" want:"the hosted zone's id, e.g. Z0123456789EXAMPLE"`
	Endpoint       *string `yaml:"endpoint" want:"another address of the API, https://..."`
}

type zoneFile struct {
	strictyaml.Pos `yaml:"-"`
	Path           string   `yaml:"path,required" want:"the file that a zone file includes, e.g. /etc/bind/tidemark.inc"`
	Reload         []string `yaml:"reload" want:"a program and its arguments, e.g. [/usr/sbin/rndc, reload, example.org]" each:"the program, or an argument"`
}

type checkinFile struct {
	strictyaml.Pos `yaml:"-"`
	Listen         *string              `yaml:"listen" want:"an address and a port, e.g. 127.0.0.1:8440"`
	Spool          string               `yaml:"spool,required" want:"a directory for the check-ins that wait, e.g. /var/spool/tidemark"`
	Cert           *string              `yaml:"cert" want:"a PEM file with the certificate and those above it"`
	Key            *string              `yaml:"key" want:"a PEM file with the certificate's private key"`
	PerMirror      *strictyaml.Duration `yaml:"per_mirror"`
	PerSecond      *int                 `yaml:"per_second"`
}

type plainFile struct {
	strictyaml.Pos `yaml:"-"`
	Name           string   `yaml:"name,required" want:"the plain record's own name"`
	Order          []string `yaml:"order,required" want:"a list of trees" each:"a tree"`
}

type probeFile struct {
	strictyaml.Pos `yaml:"-"`
	Concurrency    *int                 `yaml:"concurrency"`
	Timeout        *strictyaml.Duration `yaml:"timeout"`
	Recheck        *strictyaml.Duration `yaml:"recheck"`
	Sample         *int                 `yaml:"sample"`
	ListShare      *int                 `yaml:"list_share" want:"a whole number, in percent"`
	Spot           *int                 `yaml:"spot" want:"a whole number, in a thousand"`
	Backoff        *strictyaml.Duration `yaml:"backoff"`
	PerSecond      *int                 `yaml:"per_second"`
	PerGroup       *int                 `yaml:"per_group"`
	Lists          *int                 `yaml:"lists"`
	ListTimeout    *strictyaml.Duration `yaml:"list_timeout"`
	AllowPrivate   *bool                `yaml:"allow_private"`
	CA             *string              `yaml:"ca" want:"a PEM file with the certificate authority of rsync+tls servers"`
}

type guardFile struct {
	strictyaml.Pos `yaml:"-"`
	Share          *int `yaml:"share" want:"a whole number, in percent"`
	Least          *int `yaml:"least"`
	Runs           *int `yaml:"runs"`
}

type policyFile struct {
	strictyaml.Pos `yaml:"-"`
	CheckInterval  *strictyaml.Duration `yaml:"check_interval"`
	MaxHold        *strictyaml.Duration `yaml:"max_hold"`
	Nearby         map[string][]string  `yaml:"nearby" want:"countries, each with a list of its neighbours" each:"a list of countries"`
}
