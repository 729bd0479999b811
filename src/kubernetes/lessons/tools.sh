# What scripts of lessons find: kubectl as the administrator where there is one, and ways to change files.
export KUBECONFIG=/etc/kubernetes/admin.conf
# change FILE EXPRESSION...: has sed change a file, whose owner, mode and times stay as they were.
change() {
  changed_file=$1
  shift
  changed_new=$(mktemp)
  changed_times=$(mktemp)
  sed "$@" "$changed_file" >"$changed_new"
  if cmp -s "$changed_file" "$changed_new"; then
    echo "nothing in $changed_file is to be changed" >&2
    exit 1
  fi
  touch -r "$changed_file" "$changed_times"
  cat "$changed_new" >"$changed_file"
  touch -r "$changed_times" "$changed_file"
  rm -f "$changed_new" "$changed_times"
}
# answers COMMAND...: asks until it succeeds, for half a minute.
answers() {
  for _ in $(seq 60); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  "$@"
}
