#!/bin/sh
# Makes Soutu's bucket, and a user who may use that bucket and nothing else. May run again and again.
set -eu
mc alias set store http://minio:9000 \
    "$(cat /run/secrets/minio_root_user)" "$(cat /run/secrets/minio_root_password)" >/dev/null
mc mb --ignore-existing store/soutu
mc admin user add store soutu "$(cat /run/secrets/objects_secret_key)"
mc admin policy create store soutu /make-bucket/policy.json
# Fails where the policy is attached already: then the user shows it.
mc admin policy attach store soutu --user soutu || mc admin user info store soutu | grep -q 'PolicyName: soutu'
