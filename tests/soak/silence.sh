#!/usr/bin/env bash
# A provider that thinks for minutes, with an nginx on either side of the gateway:
#
#   curl -> nginx, read timeout 60 s -> penstock -> nginx, patient -> mock provider, silent
#
#   tests/soak/silence.sh [SECONDS] [DIRECTORY]
#
# SECONDS of silence (180), once before the provider's header and once in the middle of its stream.
# DIRECTORY has penstock and mock-upstream (target/debug). A gateway without heartbeats runs beside:
# if it does better than a cut connection, the trial says nothing. Wants nginx and curl. Uses free
# ports of loopback and a temporary directory, and leaves nothing behind.
set -euo pipefail

seconds=${1:-180}
binaries=$(realpath "${2:-target/debug}")
# What the nginx in front waits for between two reads, and a little more than the whole silence.
front_timeout=60
patient=$((seconds + 60))

here=$(mktemp -d)
pids=()
# Whatever happens: each is stopped by its own id.
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$here"
}
trap finish EXIT

die() { printf 'silence: %s\n' "$*" >&2; exit 1; }
for command in nginx curl "$binaries/penstock" "$binaries/mock-upstream"; do
  command -v "$command" >/dev/null || die "$command is missing; ./x silence gets what is needed"
done
[ "$seconds" -gt "$front_timeout" ] || die "less than $front_timeout s try nothing"

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
taken=()
# Sets `port` to one that nobody listens on and that was not given out before.
free_port() {
  while :; do
    port=$((20000 + RANDOM % 10000))
    case " ${taken[*]-} " in *" $port "*) continue ;; esac
    answers "$port" || { taken+=("$port"); return; }
  done
}
await() {
  for _ in $(seq 200); do
    if answers "$1"; then return; fi
    sleep 0.05
  done
  die "nothing listens on port $1"
}

# mock NAME FLAGS...: sets `port`.
mock() {
  local name=$1
  shift
  "$binaries/mock-upstream" --dialect openai --events 2 "$@" >"$here/$name.address" &
  pids+=($!)
  for _ in $(seq 200); do
    port=$(sed 's/.*://' "$here/$name.address")
    if [ -n "$port" ]; then return; fi
    sleep 0.05
  done
  die "the provider $name does not start"
}

# nginx_before NAME PORT TIMEOUT: sets `port`.
nginx_before() {
  local name=$1 to=$2 timeout=$3
  free_port
  mkdir "$here/$name"
  cat >"$here/$name/nginx.conf" <<END
daemon off;
pid $here/$name/pid;
error_log $here/$name/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $here/$name; proxy_temp_path $here/$name; fastcgi_temp_path $here/$name;
  uwsgi_temp_path $here/$name; scgi_temp_path $here/$name;
  server {
    listen 127.0.0.1:$port;
    location / {
      proxy_pass http://127.0.0.1:$to;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_read_timeout ${timeout}s;
    }
  }
}
END
  nginx -p "$here/$name" -e "$here/$name/error.log" -c "$here/$name/nginx.conf" &
  pids+=($!)
  await "$port"
}

# gateway NAME HEARTBEAT_AFTER: sets `port`.
gateway() {
  local name=$1 after=$2 admin own
  free_port && admin=$port
  free_port && own=$port
  mkdir "$here/$name"
  cat >"$here/$name/penstock.yaml" <<END
listeners: [{address: "127.0.0.1:$own"}]
admin: {address: "127.0.0.1:$admin"}
heartbeat: {after: $after, every: 15s}
providers:
- {name: late, dialect: openai, base_url: "http://127.0.0.1:$late/v1", accounts: [{name: a}],
   timeouts: {first_byte: ${patient}s, idle: ${patient}s, total: $((patient * 2))s}}
- {name: pausing, dialect: openai, base_url: "http://127.0.0.1:$pausing/v1", accounts: [{name: a}],
   timeouts: {first_byte: ${patient}s, idle: ${patient}s, total: $((patient * 2))s}}
END
  (cd "$here/$name" && exec "$binaries/penstock" serve --config penstock.yaml) \
    2>"$here/$name/log" &
  pids+=($!)
  port=$own
  await "$port"
}

# ask NAME PORT MODEL
ask() {
  local body='{"model":"'$3'/m","stream":true,"messages":[{"role":"user","content":"Think"}]}'
  curl --silent --show-error --no-buffer --max-time $((patient * 2)) \
    --write-out '\nstatus %{http_code}, %{time_total} s\n' \
    --header 'content-type: application/json' --data "$body" \
    "http://127.0.0.1:$2/v1/chat/completions" >"$here/$1.answer" 2>&1 || true
}

mock late --first-delay $((seconds * 1000))
nginx_before late-nginx "$port" "$patient" && late=$port
mock pausing --event-delay $((seconds * 1000))
nginx_before pausing-nginx "$port" "$patient" && pausing=$port
gateway with 5s
nginx_before with-nginx "$port" "$front_timeout" && with=$port
gateway without 1h
nginx_before without-nginx "$port" "$front_timeout" && without=$port

printf 'silent for %s s, in front of it nginx with a read timeout of %s s\n' \
  "$seconds" "$front_timeout"
asking=()
for model in late pausing; do
  ask "with-$model" "$with" "$model" &
  asking+=($!)
  ask "without-$model" "$without" "$model" &
  asking+=($!)
done
wait "${asking[@]}"

failed=0
for name in with-late with-pausing without-late without-pausing; do
  answer=$here/$name.answer
  beats=$(grep -c '^: keep-alive' "$answer" || true)
  words=$(grep -c '"content":"@' "$answer" || true)
  end=cut
  if grep -q '"finish_reason":"stop"' "$answer" && grep -q '^data: \[DONE\]' "$answer"; then
    end=whole
  fi
  printf '%-16s %-6s %s words, %s heartbeats, %s\n' \
    "$name" "$end" "$words" "$beats" "$(tail -n 1 "$answer")"
  case $name,$end,$words in
    with-*,whole,2 | without-*,cut,*) ;;
    *) failed=1 && sed "s/^/  /" "$answer" ;;
  esac
done
exit $failed
