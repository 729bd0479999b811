# shellcheck shell=sh
made=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
  -subj "$(openssl x509 -in /etc/etcd/pki/ca.crt -noout -subject -nameopt compat | sed 's#^subject= *#/#; s#^//#/#; s#, #/#g')" \
  -keyout "$made/key" -out "$made/crt" 2>/dev/null
touch -r /etc/etcd/pki/ca.crt "$made/times"
cat "$made/crt" >/etc/etcd/pki/ca.crt
touch -r "$made/times" /etc/etcd/pki/ca.crt
rm -r "$made"
systemctl --no-block restart etcd
