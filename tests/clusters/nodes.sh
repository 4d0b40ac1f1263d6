# shellcheck shell=bash disable=SC2154
# Sourced by slurm_cluster and ssh_hosts: nodes on this machine, and the verbs that both have.
#
# One process owns everything: `unshare`, whose namespaces of processes, mounts, host name, network and IPC are the cluster. A node is the
# same again inside of it. When the process goes, however, the kernel ends every process of the cluster, daemons and stopped ones too, and
# takes its mounts and network links away. Outside nothing is changed, so any number of clusters run at once, with the same addresses.
#
# The script that sources this sets node_letter, daemon and node_count, and defines
#   read_option OPTION VALUE   an option of `start` that is not known here; returns 1 if it is not known there either; takes=0: it has no value
#   save_settings              what of it the other calls need, as NAME=VALUE lines
#   check_programs             prints what is missing on this machine
#   configure                  writes the files of the daemons into $dir
#   start_head                 in the cluster, before its nodes: what runs on the head; starts $head_daemon, if it has one
#   start_daemon NODE          on a node (slurm's head is one): starts its daemon in the background, so that $! is its pid
#   is_up                      in the cluster: true once every node is ready
#   report                     in the cluster: prints how the nodes are

self=$(realpath "$0")
life=3600
owner=
networks=own
lines=()
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
clean=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8)

say() { printf '%s: %s\n' "${self##*/}" "$*" >&2; }
fail() { say "$@"; exit 1; }
help() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$self"; }
usage() { help >&2; exit 3; }

# --- What there is

nodes() { local i; for ((i = 1; i <= node_count; i++)); do printf '%s\n' "$node_letter$i"; done; }
address() { if [ "$1" = head ]; then echo 10.77.0.254; else echo "10.77.0.${1#"$node_letter"}"; fi; }
hardware_address() { printf '02:fa:00:00:00:%02x' "$(address "$1" | cut -d. -f4)"; }
# When a living process began; with its pid it names one process for ever. Nothing for one that is gone or a zombie.
begin_of() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
  read -r -a stat <<<"${stat##*) }"
  [[ ${stat[0]} == [ZX] ]] || printf '%s\n' "${stat[19]}"
}
child_of() {
  local child=
  read -r child _ 2>/dev/null <"/proc/$1/task/$1/children" || [ -n "$child" ] && printf '%s\n' "$child"
}
# The process that owns the cluster, if it lives.
outer() {
  local pid begin
  read -r pid begin 2>/dev/null <"$dir/run/outer" && [ -n "$begin" ] && [ "$(begin_of "$pid")" = "$begin" ] && printf '%s\n' "$pid"
}
need_running() { outer >/dev/null || fail "no cluster runs in $dir"; }
need_node() { [ "$1" = head ] || [[ " $(nodes | tr '\n' ' ')" == *" $1 "* ]] || fail "no node is called $1"; }
need_networks() { [ "$networks" = own ] || fail "its nodes share one network: there is no cable"; }

missing_programs() {
  local name
  for name in "$@"; do command -v "$name" >/dev/null || printf '%s ' "$name"; done
}

check() {
  local missing
  [ "$(id -u)" = 0 ] || { echo "these clusters need root"; return 1; }
  missing=$(unshare --fork --pid --mount --uts --ipc --net --mount-proc true 2>&1) || { echo "this machine allows no namespaces: $missing"; return 1; }
  [ -e /etc/hosts ] || { echo "this machine has no /etc/hosts"; return 1; }
  missing=$(missing_programs nsenter mount flock hostname ip nft; check_programs)
  [ -z "$missing" ] || { echo "not installed: ${missing% } (as root, tests/clusters/setup installs it)"; return 1; }
}

# --- Going in

# Runs a command in the namespaces of a process, as the cluster's user, in the folder of the caller.
enter() {
  local pid=$1; shift
  exec nsenter --target "$pid" --pid --mount --uts --ipc --net -- env --chdir="$PWD" "$@"
}
inside() {
  local pid
  need_running
  pid=$(child_of "$(outer)")
  enter "$pid" "$@"
}
# The first process of a node, as the cluster counts processes.
first_of() {
  local pid
  if [ "$1" = head ]; then echo 1; return; fi
  pid=$(cat "$dir/run/$1") && child_of "$pid"
}
on_node() { # inside the cluster
  local pid node=$1; shift
  pid=$(first_of "$node") || fail "node $node is down"
  enter "$pid" "$@"
}
# This script again, inside, with a clean environment: daemons inherit it.
again() {
  inside env --ignore-environment "${clean[@]}" "$self" "__$verb" "$dir" "$@"
}

# --- The cluster, from within

own_folder() { mount -t tmpfs -o "mode=$2,size=25%" tmpfs "$1"; }

# What no two machines share. The rest of the file system is shared, /tmp too: it plays the home folder on NFS.
own_machine() {
  hostname "$1"
  own_folder /dev/shm 1777
  own_folder /var/tmp 1777
  own_folder /run 755
  mkdir /run/lock /run/sshd
  ln -s "$dir/run/munge" "$dir/run/mysqld" /run
  # /sys shows the network of whoever mounted it; cgroups are below it.
  mkdir /run/cgroup
  mount --rbind /sys/fs/cgroup /run/cgroup
  if mount -t sysfs sysfs /sys && [ -d /sys/fs/cgroup ]; then mount --rbind /run/cgroup /sys/fs/cgroup; fi
  umount -l /run/cgroup
  rmdir /run/cgroup
  ip link set lo up
}

# A cable from here to the switch, in the network that descriptor 9 is open on. A node keeps its hardware address over a crash: the others
# remember it.
plug_in() {
  ip link add eth0 address "$(hardware_address "$1")" type veth peer name "$1" netns /proc/self/fd/9
  ip addr add "$(address "$1")/24" dev eth0
  ip link set eth0 up
  nsenter --net=/proc/self/fd/9 ip link set "$1" master switch up
}

boot_daemon() {
  start_daemon "$1"
  echo $! >"$dir/run/$1.daemon"
}

run_node() { # the first process of a node; bash reaps what others leave behind
  own_machine "$1"
  if [ "$networks" = own ]; then plug_in "$1"; fi
  exec 9<&-
  boot_daemon "$1"
  local daemon=$!
  : >"$dir/run/$1.up"
  # A daemon that takes exception to its configuration ends at once.
  until [ -e "$dir/run/up" ]; do
    sleep 0.5
    ! is_gone "$daemon" || : >"$dir/run/$1.failed"
  done
  while :; do sleep infinity & wait $!; done
}

boot_node() {
  local network=()
  [ "$networks" = shared ] || network=(--net)
  rm -f "$dir/run/$1.up"
  exec 9</run/switch
  setsid unshare --fork --pid --mount --uts --ipc "${network[@]}" --mount-proc --kill-child=KILL "$self" __node "$dir" "$1" \
    </dev/null >>"$dir/log/$1.log" 2>&1 &
  echo $! >"$dir/run/$1"
  exec 9<&-
}

is_owned() { [ -z "$owner" ] || ! flock --nonblock --shared "$owner" true; }

run_cluster() {
  mount --bind "$dir/hosts" /etc/hosts
  mount --bind "$dir/passwd" /etc/passwd
  mount --bind "$dir/shadow" /etc/shadow
  # The switch is a network that no process runs in; a file keeps it.
  own_machine head
  : >/run/switch
  unshare --net=/run/switch true
  nsenter --net=/run/switch sh -c 'ip link add switch type bridge && ip link set switch up && nft -f -' <<'END'
table bridge cables {
  set cut { type ifname . ifname; }
  chain forward { type filter hook forward priority 0; iifname . oifname @cut drop; }
}
END
  if [ "$networks" = own ]; then
    exec 9</run/switch
    plug_in head
    exec 9<&-
  else
    for node in head $(nodes); do ip addr add "$(address "$node")/24" dev lo; done
  fi
  start_head
  for node in $(nodes); do boot_node "$node"; done
  until is_up; do
    ! compgen -G "$dir/run/*.failed" || exit 1
    sleep 0.05
  done
  : >"$dir/run/up"
  local end=$((SECONDS + life))
  while [ $SECONDS -lt $end ] && is_owned; do sleep 1; done
}

# --- Verbs, from without and (with two dashes before) from within

# With none of our descriptors: whoever waits for the end of one would wait for the cluster, and the lock of an owner would be ours too.
launch() { # in the background, which it becomes
  local fd
  for fd in /proc/"$BASHPID"/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || [ "$fd" = 255 ] || exec {fd}<&-
  done
  exec setsid env --ignore-environment "${clean[@]}" unshare --fork --pid --mount --uts --ipc --net --propagation private --mount-proc \
    --kill-child=KILL "$self" __cluster "$dir" </dev/null >"$dir/log/cluster.log" 2>&1
}

start() {
  local option value takes
  [[ $dir =~ ^[A-Za-z0-9/._-]{2,70}$ ]] || fail "the folder's name has at most 70 characters, of letters, digits and /._-"
  [[ ! $dir/ =~ ^(/dev/shm|/run|/var/run|/var/tmp|/proc|/sys)/ ]] || fail "each node has its own ${BASH_REMATCH[1]}: it would not see $dir"
  while [ $# -gt 0 ]; do
    option=$1 value=${2:-} takes=1
    case $option in
      --shared-network) networks=shared; takes=0 ;;
      --line) lines+=("$value") ;;
      --life) life=$value ;;
      --owner) owner=$(realpath "$value") ;;
      *) read_option "$option" "$value" || { say "unknown option $option (see ${self##*/} --help)"; exit 3; } ;;
    esac
    [ $takes = 0 ] || [ $# -ge 2 ] || { say "$option takes a value"; exit 3; }
    shift $((takes + 1))
  done
  [[ $node_count =~ ^([1-9]|[1-9][0-9]|1[0-9][0-9]|200)$ ]] || fail "1 to 200 nodes, not $node_count"
  [[ $life =~ ^[0-9]+$ ]] || fail "--life takes seconds, not $life"
  check >&2 || exit 1
  ! outer >/dev/null || fail "a cluster runs in $dir already"
  [ -e "$dir/cluster" ] || [ ! -e "$dir" ] || [ -z "$(ls -A "$dir")" ] || fail "$dir holds something else"
  local begin=${EPOCHREALTIME/./}
  mkdir -p "$dir"
  : >"$dir/cluster"
  rm -rf "${dir:?}"/{run,log,spool}
  mkdir -p "$dir"/{run/munge,run/mysqld,log,home}
  chmod 755 "$dir"
  { declare -p node_count life owner networks lines; save_settings; } >"$dir/settings"
  { echo 127.0.0.1 localhost; for node in head $(nodes); do echo "$(address "$node") $node"; done; } >"$dir/hosts"
  # A home of its own: what stands in the real one decides nothing here.
  { echo "root:x:0:0:root:$dir/home:/bin/bash"; grep -v '^root:' /etc/passwd; } >"$dir/passwd"
  (umask 077; echo 'root:*:19000:0:99999:7:::' >"$dir/shadow")
  configure
  launch &
  disown
  echo "$! $(begin_of $!)" >"$dir/run/outer"
  while [ $SECONDS -lt 60 ] && outer >/dev/null; do
    if [ -e "$dir/run/up" ]; then
      echo "up after $(((${EPOCHREALTIME/./} - begin) / 1000)) ms: $(nodes | tr '\n' ' ')"
      return
    fi
    sleep 0.02
  done
  say "the cluster did not come up. The last lines of $dir/log:"
  tail -n 8 "$dir"/log/* >&2
  stop
  exit 1
}

stop() {
  local pid
  if pid=$(outer); then
    kill -KILL "$pid"
    while outer >/dev/null; do sleep 0.01; done
  fi
  rm -f "$dir/run/outer" "$dir/run/up"
}

await() { # a condition, for 20 s
  local end=$((SECONDS + 20))
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "$verb: not within 20 s"
    sleep 0.02
  done
}
is_gone() { [ -z "$(begin_of "$1")" ]; }

main() {
  case ${1:-} in -h | --help) help; return ;; esac
  verb=${1:-}
  if [ "$verb" = check ]; then
    shift
    for option in "$@"; do read_option "$option" '' || usage; done
    check
    return
  fi
  [ $# -ge 2 ] || usage
  dir=$(realpath --canonicalize-missing "$2")
  shift 2
  if [ "$verb" = start ]; then start "$@"; return; fi
  [ -r "$dir/settings" ] || fail "no cluster was started in $dir"
  # shellcheck source=/dev/null
  . "$dir/settings"
  case $verb in
    exec | on)
      [ $# -ge 1 ] || usage
      # Nothing of a job or session around this one.
      unset "${!SLURM@}" "${!SBATCH@}" "${!SSH_@}" XDG_RUNTIME_DIR
      export HOME=$dir/home USER=root LOGNAME=root SHELL=/bin/bash
      if [ "$verb" = exec ]; then inside "$@"; fi
      need_node "$1"
      inside "$self" __on "$dir" "$@" ;;
    crash | boot | unplug | plug | kill-daemon | start-daemon)
      [ $# -ge 1 ] || usage
      need_node "$1"
      case $verb,$1 in crash,head | boot,head) fail "the head does not crash; stop ends everything" ;; *plug,*) need_networks ;; esac
      again "$@" ;;
    cut | cut-one-way)
      [ $# = 2 ] || usage
      need_networks; need_node "$1"; need_node "$2"
      again "$@" ;;
    mend)
      [ $# = 0 ] || [ $# = 2 ] || usage
      need_networks
      [ $# = 0 ] || { need_node "$1"; need_node "$2"; }
      again "$@" ;;
    stop) stop ;;
    status) outer >/dev/null || { echo "not running"; exit 3; }; inside "$self" __status "$dir" ;;

    __cluster) run_cluster ;;
    __node) run_node "$1" ;;
    __daemon) boot_daemon "$1" ;;
    __on) on_node "$@" ;;
    __crash)
      local unshared; unshared=$(cat "$dir/run/$1")
      ! is_gone "$unshared" || fail "node $1 is down already"
      kill -KILL "$(first_of "$1")"
      await is_gone "$unshared"
      # Its cable would go with its network, but later.
      nsenter --net=/run/switch ip link del "$1" 2>/dev/null || true ;;
    __boot)
      is_gone "$(cat "$dir/run/$1")" || fail "node $1 is up already"
      boot_node "$1"
      await test -e "$dir/run/$1.up"
      # Whoever has asked where it is while it was down gives up soon, and a connection that begins before with it.
      [ "$networks" = shared ] || ip neigh flush dev eth0 ;;
    __unplug) nsenter --net=/run/switch ip link set "$1" down ;;
    __plug) nsenter --net=/run/switch ip link set "$1" up ;;
    __cut) nsenter --net=/run/switch nft add element bridge cables cut "{ $1 . $2, $2 . $1 }" ;;
    __cut-one-way) nsenter --net=/run/switch nft add element bridge cables cut "{ $1 . $2 }" ;;
    __mend)
      if [ $# = 0 ]; then nsenter --net=/run/switch nft flush set bridge cables cut
      else nsenter --net=/run/switch nft delete element bridge cables cut "{ $1 . $2 }"; fi ;;
    __kill-daemon) on_node "$1" "$self" __signal "$dir" "$@" ;;
    __signal)
      local pid; pid=$(cat "$dir/run/$1.daemon")
      kill -s "${2:-KILL}" "$pid"
      case ${2:-KILL} in *KILL | *TERM | *INT) await is_gone "$pid" ;; esac ;;
    __start-daemon)
      (on_node "$1" setsid "$self" __daemon "$dir" "$1" </dev/null >>"$dir/log/$1.log" 2>&1)
      await is_serving "$1" ;;
    __status) report ;;
    *) usage ;;
  esac
}
