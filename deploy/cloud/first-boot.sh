# What a fresh Debian machine does once, as root, after its cloud has said what it is: the data disk is found and mounted, and the server's
# container started. Before it these are set: IMAGE, the image to run; DISKS, names under which the data disk may appear; and there are
# /etc/chroma-async/environment with settings and /etc/chroma-async/token with credentials. It may be run again: what is done stays done.
data=/srv/chroma-async
disk=""
for _ in $(seq 150); do
  for name in $DISKS; do if [ -e "$name" ]; then disk=$name; break 2; fi; done
  sleep 2
done
if [ -z "$disk" ]; then echo "no data disk: none of $DISKS appeared within 300 seconds" >&2; exit 1; fi
# Only a disk without anything on it is formatted: blkid says 2 of it, 0 of one with a file system, and something else where it is not sure.
state=0
blkid --probe "$disk" > /dev/null || state=$?
case $state in
  0) ;;
  2) mkfs.ext4 -q -L chroma-async "$disk" ;;
  *) echo "what is on $disk is unclear (blkid: $state), so it is left alone" >&2; exit 1 ;;
esac
mkdir -p "$data" /etc/systemd/system/docker.service.d
if ! grep -q " $data " /etc/fstab; then echo "LABEL=chroma-async $data ext4 defaults,noatime,nofail 0 2" >> /etc/fstab; fi
mountpoint -q "$data" || mount "$data"
# After a restart of the machine: no container before its disk.
printf '[Unit]\nRequiresMountsFor=%s\n' "$data" > /etc/systemd/system/docker.service.d/chroma-async.conf
systemctl daemon-reload
install -d -m 0750 -o 65532 -g 65532 "$data/data"
chown 65532 /etc/chroma-async/token
chmod 0400 /etc/chroma-async/token
cat > /usr/local/sbin/chroma-async-start <<'START'
#!/bin/bash
# chroma-async-start IMAGE: the server's container anew, of this image. A running one is stopped first, with time for its requests.
set -euo pipefail
docker pull --quiet "$1"
docker stop --time 40 chroma-async > /dev/null 2>&1 || true
docker rm --force chroma-async > /dev/null 2>&1 || true
docker run --detach --name chroma-async --restart unless-stopped --publish 8000:8000 --stop-timeout 40 \
  --read-only --cap-drop ALL --security-opt no-new-privileges --log-opt max-size=10m --log-opt max-file=5 \
  --env-file /etc/chroma-async/environment --env CHROMA_SERVER_AUTHN_CREDENTIALS_FILE=/run/secrets/chroma-token --env CHROMA_ASYNC_GRACE_S=30 \
  --volume /etc/chroma-async/token:/run/secrets/chroma-token:ro --volume /srv/chroma-async/data:/data "$1"
START
chmod 0755 /usr/local/sbin/chroma-async-start
chroma-async-start "$IMAGE"
