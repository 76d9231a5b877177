"""Checks the chart: python3 check.py HELM KUBERNETES_MODELS, with helm's binary and the folder of the models in
Kubernetes' JavaScript client. Prints a line for each check and at the end "helm: N passed, N failed"; exits 1 if any
failed.

Every values-*.yaml beside this file is linted, rendered and looked through; wrong values must be refused; and the
checks themselves must notice when the chart is broken on purpose."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

HELM, MODELS = sys.argv[1], pathlib.Path(sys.argv[2])
HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE.parent / "serving"
VERSION = re.search("<Version>(.*)</Version>", (HERE.parents[1] / "Directory.Build.props").read_text()).group(1)
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())

MARGIN_SECONDS = 10  # Beyond the stop itself.


def helm(*arguments):
    return subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True, check=False)


def merged(below, above):
    """Values over defaults, as Helm merges them."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


class Rendered:
    """What a chart makes of a values file."""

    def __init__(self, chart, values_file):
        result = helm("template", "demo", chart, "--namespace", "trial", "--values", values_file)
        if result.returncode != 0:
            raise ValueError(result.stderr.strip())
        self.values = merged(DEFAULTS, yaml.safe_load(values_file.read_text()) or {})
        self.objects = [document for document in yaml.safe_load_all(result.stdout) if document]
        self.server = self.one("StatefulSet")
        self.pod = self.server["spec"]["template"]["spec"]
        [self.container] = self.pod["containers"]
        self.test = self.one("Pod")
        self.grpc = self.one("Service", "demo-serving")
        self.http = self.one("Service", "demo-serving-http")
        self.tls = bool(self.values["tls"]["secretName"])
        self.scheme = "https" if self.tls else "http"

    def all(self, kind, name=None):
        return [one for one in self.objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]

    def one(self, kind, name=None):
        found = self.all(kind, name)
        if len(found) != 1:
            raise ValueError(f"{len(found)} objects are a {kind} {name or ''}; it must be one")
        return found[0]

    def variable(self, name):
        found = [one for one in self.container["env"] if one["name"] == name]
        return found[-1].get("value", found[-1].get("valueFrom")) if found else None


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}; it must be {expected!r}")


def seconds(time):
    hours, minutes, rest = map(int, time.split(":"))
    return hours * 3600 + minutes * 60 + rest


# ---- What holds for every values file


def stop_has_time(it):
    drain, calls = seconds(it.variable("Server__DrainDelay")), seconds(it.variable("Server__ShutdownTimeout"))
    wanted = it.values["shutdown"]
    equal((drain, calls), (wanted["drainSeconds"], wanted["callsSeconds"]), "drain and shutdown")
    grace = it.pod["terminationGracePeriodSeconds"]
    assert grace >= drain + calls + MARGIN_SECONDS, f"{grace} s of grace for a stop of {drain} + {calls} s"


def probes_differ(it):
    startup, ready, live = (it.container[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe"))
    if it.tls:
        command = ["/app/Serving.Server", "health"]
        equal(startup["exec"]["command"], command, "startup")
        equal(ready["exec"]["command"], command, "readiness")
        equal(live["tcpSocket"], {"port": "grpc"}, "liveness")
    else:
        equal(startup["grpc"], {"port": 5050}, "startup")
        equal(ready["grpc"], {"port": 5050}, "readiness")
        equal(live["grpc"], {"port": 5050, "service": "liveness"}, "liveness")
    window = startup["periodSeconds"] * startup["failureThreshold"]
    wanted = it.values["startupSeconds"]
    problem = f"{window} s to start; it must be {wanted} s, rounded up to a period"
    assert wanted <= window < wanted + startup["periodSeconds"], problem
    assert live["failureThreshold"] > ready["failureThreshold"], "liveness must give up later than readiness"


def nothing_is_allowed(it):
    for name, pod in (("the server", it.pod), ("the test", it.test["spec"])):
        equal(pod["automountServiceAccountToken"], False, f"the token of {name}")
        context = pod["securityContext"]
        equal(context["runAsNonRoot"], True, f"runAsNonRoot of {name}")
        ids = [context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")]
        equal(ids, [1654] * 3, f"user and groups of {name}")
        equal(context["seccompProfile"], {"type": "RuntimeDefault"}, f"seccomp of {name}")
        for container in pod["containers"]:
            equal(
                container["securityContext"],
                {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
                f"the security context of {name}")
            resources = container["resources"]
            assert resources["requests"] and resources["limits"]["memory"], f"resources of {name}"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), f"{name} shares the host's namespaces"
    account = it.one("ServiceAccount")
    equal(account["automountServiceAccountToken"], False, "the account's token")
    used = [it.pod["serviceAccountName"], it.test["spec"]["serviceAccountName"]]
    equal(used, [account["metadata"]["name"]] * 2, "the account")
    assert not [one for one in it.objects if "Role" in one["kind"]], "the account has rights"


def one_server_owns_the_data(it):
    equal(it.server["spec"]["replicas"], 1, "replicas")
    equal(it.variable("Server__Data"), "/data", "the data root")
    mounts = {mount["mountPath"]: mount["name"] for mount in it.container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in it.pod["volumes"]}
    equal(set(mounts.values()), set(volumes), "volumes and mounts")
    claim = volumes[mounts["/data"]]["persistentVolumeClaim"]["claimName"]
    assert "emptyDir" in volumes[mounts["/tmp"]], "/tmp must be writable"
    if it.values["data"]["existingClaim"]:
        equal((claim, it.all("PersistentVolumeClaim")), (it.values["data"]["existingClaim"], []), "the claim")
        return
    made = it.one("PersistentVolumeClaim", claim)
    equal(made["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "what an uninstall does to the claim")
    equal(made["spec"]["resources"]["requests"]["storage"], it.values["data"]["size"], "size")
    equal(made["spec"]["accessModes"], [it.values["data"]["accessMode"]], "access mode")
    equal(made["spec"].get("storageClassName", ""), it.values["data"]["storageClass"], "storage class")


def services_reach_the_pod(it):
    equal(it.grpc["spec"]["clusterIP"], "None", "the address of the gRPC service")
    assert "clusterIP" not in it.http["spec"], "the HTTP service has an address of its own"
    equal(it.server["spec"]["serviceName"], it.grpc["metadata"]["name"], "the set's service")
    labels = it.server["spec"]["template"]["metadata"]["labels"]
    services = [service["spec"]["selector"] for service in (it.grpc, it.http)]
    for what in (*services, it.server["spec"]["selector"]["matchLabels"]):
        assert what and what.items() <= labels.items(), f"{what} does not select {labels}"
        assert not what.items() <= it.test["metadata"]["labels"].items(), f"{what} selects the test's pod"
    ports = {port["name"]: port["containerPort"] for port in it.container["ports"]}
    equal(ports, {"grpc": int(it.variable("Server__Port")), "http": int(it.variable("Server__HttpPort"))}, "ports")
    equal(it.variable("Server__Address"), "0.0.0.0", "the address")
    for service in (it.grpc, it.http):
        for port in service["spec"]["ports"]:
            equal(port["port"], ports[port["targetPort"]], "a service's port")


def variables_are_strings(it):
    names = [one["name"] for one in it.container["env"]]
    equal(len(names), len(set(map(str.lower, names))), "variables that differ")
    for one in it.container["env"]:
        assert isinstance(one.get("value", ""), str), f"{one} is no string"
        assert not re.search(r"\de\+", one.get("value", "")), f"{one} is a floating-point number"
    for prefix, values in (("Server__", it.values["settings"]), ("OTEL_", it.values["otel"])):
        for key, value in values.items():
            equal(it.variable(prefix + key), str(value).lower() if isinstance(value, bool) else str(value), key)
    equal(it.variable("Server__Metrics"), "true" if it.values["metrics"]["enabled"] else None, "metrics")


def image_is_the_version(it):
    wanted = f"{it.values['image']['repository']}:{it.values['image']['tag'] or VERSION}"
    for container in (it.container, it.test["spec"]["containers"][0]):
        equal(container["image"], wanted, "the image")
    for pod in (it.pod, it.test["spec"]):
        secrets = [one["name"] for one in pod.get("imagePullSecrets", [])]
        equal(secrets, it.values["image"]["pullSecrets"], "pull secrets")


def helm_test_asks_the_service(it):
    equal(it.test["metadata"]["annotations"]["helm.sh/hook"], "test", "the hook")
    equal(
        it.test["spec"]["containers"][0]["args"],
        ["health", "--server", f"{it.scheme}://{it.grpc['metadata']['name']}.trial.svc:5050"],
        "the command")


def tls_is_all_or_nothing(it):
    secrets = [volume["secret"] for volume in it.pod["volumes"] if "secret" in volume]
    equal([secret["secretName"] for secret in secrets], [it.values["tls"]["secretName"]] if it.tls else [], "secrets")
    equal(it.variable("Server__CertificateFile"), "/tls/tls.crt" if it.tls else None, "the certificate")
    equal(it.variable("Server__CertificateKeyFile"), "/tls/tls.key" if it.tls else None, "its key")
    trusted = [volume["secret"]["items"] for volume in it.test["spec"].get("volumes", [])]
    equal(trusted, [[{"key": "ca.crt", "path": "ca.crt"}]] if it.tls else [], "what the test's pod gets")


def monitor_finds_the_service(it):
    wanted = it.values["metrics"]["serviceMonitor"]
    equal(len(it.all("ServiceMonitor")), int(wanted["enabled"]), "monitors")
    for monitor in it.all("ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        found = [one for one in it.all("Service") if selector.items() <= one["metadata"]["labels"].items()]
        equal(found, [it.http], "what is monitored")
        [endpoint] = monitor["spec"]["endpoints"]
        equal(
            [endpoint[key] for key in ("port", "path", "scheme", "interval")],
            ["http", "/metrics", it.scheme, wanted["interval"]],
            "endpoint")
        equal("tlsConfig" in endpoint, it.tls, "tlsConfig")
        assert wanted["labels"].items() <= monitor["metadata"]["labels"].items(), "labels are missing"


def ingress_leads_to_a_service(it):
    wanted = it.values["ingress"]
    equal(len(it.all("Ingress")), int(wanted["enabled"]), "ingresses")
    for ingress in it.all("Ingress"):
        [rule] = ingress["spec"]["rules"]
        equal(rule["host"], wanted["host"], "host")
        backend = rule["http"]["paths"][0]["backend"]["service"]
        service = it.one("Service", backend["name"])
        equal([port["name"] for port in service["spec"]["ports"]], [wanted["port"]], "the service's port")
        equal(backend["port"], {"name": wanted["port"]}, "the port")
        tls = [{"hosts": [wanted["host"]], "secretName": wanted["tlsSecret"]}] if wanted["tlsSecret"] else None
        equal(ingress["spec"].get("tls"), tls, "TLS")
        equal(ingress["metadata"].get("annotations", {}), wanted["annotations"], "annotations")


def fields(value, kind, path):
    """What of a value is unknown to Kubernetes, by the models that its clients are made of."""
    if array := re.fullmatch(r"(?:Array|Set)<(.*)>", kind):
        if not isinstance(value, list):
            yield f"{path} must be a list"
        else:
            for index, element in enumerate(value):
                yield from fields(element, array.group(1), f"{path}[{index}]")
    elif dictionary := re.fullmatch(r"\{ \[key: string\]: (.*); \}", kind):
        for key, element in value.items():
            yield from fields(element, dictionary.group(1), f"{path}.{key}")
    elif (file := MODELS / f"{kind}.js").exists():
        known = re.search(r"attributeTypeMap = (\[.*?\n?\]);", file.read_text(), re.DOTALL)
        types = {one["baseName"]: one["type"] for one in json.loads(known.group(1))}
        for key, element in value.items():
            if key in types:
                yield from fields(element, types[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is not known"
    elif kind in (simple := {"string": str, "number": int, "boolean": bool}) and type(value) is not simple[kind]:
        yield f"{path} is {value!r}; it must be a {kind}"


def kubernetes_knows_every_field(it):
    checked = 0
    for one in it.objects:
        if one["kind"] != "ServiceMonitor":
            wrong = list(fields(one, f"V1{one['kind']}", one["kind"]))
            assert not wrong, "; ".join(wrong)
            assert (MODELS / f"V1{one['kind']}.js").exists(), f"there is no model of {one['kind']}"
            checked += 1
    assert checked >= 5, f"{checked} objects were checked"


CHECKS = [
    stop_has_time, probes_differ, nothing_is_allowed, one_server_owns_the_data, services_reach_the_pod,
    variables_are_strings, image_is_the_version, helm_test_asks_the_service, tls_is_all_or_nothing,
    monitor_finds_the_service, ingress_leads_to_a_service, kubernetes_knows_every_field]


# ---- What holds for one of them


def expect_defaults(it):
    equal(it.pod["terminationGracePeriodSeconds"], 45, "grace")


def expect_outside(it):
    equal(it.variable("OTEL_EXPORTER_OTLP_ENDPOINT"), "http://collector.telemetry.svc:4317", "endpoint")
    equal(it.variable("OTEL_METRIC_EXPORT_INTERVAL"), "60000", "interval")
    equal(it.variable("OTEL_EXPORTER_OTLP_HEADERS")["secretKeyRef"]["name"], "collector", "headers")
    equal(it.one("Ingress")["spec"]["ingressClassName"], "nginx", "class")


def expect_tuned(it):
    equal(it.pod["terminationGracePeriodSeconds"], 150, "grace")
    equal(it.variable("Server__ShutdownTimeout"), "00:01:30", "shutdown")
    equal(it.variable("Server__MaxDatasetBytes"), "10737418240", "a large number")
    for key in ("nodeSelector", "tolerations", "affinity"):
        equal(it.pod[key], it.values[key], key)
    equal(it.container["resources"], it.values["resources"], "resources")
    annotations = it.server["spec"]["template"]["metadata"]["annotations"]
    assert it.values["podAnnotations"].items() <= annotations.items(), "annotations"


EXPECTATIONS = {"defaults": expect_defaults, "outside": expect_outside, "tuned": expect_tuned}

# ---- What is refused: the values, a part of the message

REFUSED = [
    ({"replicas": 2}, "replicas"),
    ({"image": {"name": "serving"}}, "name"),
    ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ({"settings": {"Max-Inputs": 3}}, "'Max-Inputs' does not match"),
    ({"settings": {"Server__MaxInputs": 3}}, "invalid propertyName 'Server__MaxInputs'"),
    ({"settings": {"MaxInputs": [3]}}, "MaxInputs"),
    ({"settings": {"draindelay": "00:10:00"}}, "settings.draindelay belongs to the chart"),
    ({"settings": {"Port": 6000}}, "settings.Port belongs to the chart"),
    ({"otel": {"OTEL_SERVICE_NAME": "serving"}}, "invalid propertyName 'OTEL_SERVICE_NAME'"),
    ({"env": [{"value": "nameless"}]}, "env"),
    ({"shutdown": {"drainSeconds": -1}}, "drainSeconds"),
    ({"shutdown": {"drainSeconds": "5s"}}, "drainSeconds"),
    ({"shutdown": {"graceSeconds": 35}}, "shutdown.graceSeconds is 35; it must be above"),
    ({"startupSeconds": 0}, "startupSeconds"),
    ({"data": {"size": "much"}}, "size"),
    ({"data": {"accessMode": "ReadOnlyMany"}}, "accessMode"),
    ({"tls": {"secret": "serving-tls"}}, "secret"),
    ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics"),
    ({"metrics": {"enabled": "yes"}}, "enabled"),
    ({"ingress": {"enabled": True}}, "host"),
    ({"ingress": {"port": 5050}}, "port"),
    ({"resources": None}, "resources"),
]

# ---- What the checks notice: values file, file of the chart, what is replaced, by what, the check that must fail

BROKEN = [
    ("defaults", "_helpers.tpl", "add $both 10", "sub $both 1", stop_has_time),
    ("tuned", "_helpers.tpl", "mod $seconds 60)", "mod $seconds 61)", stop_has_time),
    ("defaults", "statefulset.yaml", "service: liveness", "service: \"\"", probes_differ),
    ("tls", "statefulset.yaml", "- if $tls }}\n          # Kub", "- if false }}\n          # Kub", probes_differ),
    ("defaults", "statefulset.yaml",
        "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", nothing_is_allowed),
    ("defaults", "statefulset.yaml", "      automountServiceAccountToken: false\n", "", nothing_is_allowed),
    ("defaults", "statefulset.yaml", "drop: [ALL]", "drop: []", nothing_is_allowed),
    ("defaults", "statefulset.yaml", "replicas: 1", "replicas: 2", one_server_owns_the_data),
    ("existing-claim", "persistentvolumeclaim.yaml",
        "if not .Values.data.existingClaim", "if true", one_server_owns_the_data),
    ("defaults", "services.yaml", "  clusterIP: None\n", "", services_reach_the_pod),
    ("defaults", "services.yaml", "port: 5051", "port: 80", services_reach_the_pod),
    ("tuned", "_helpers.tpl", "int64 . | toString", "toString .", variables_are_strings),
    ("defaults", "_helpers.tpl", "default .Chart.AppVersion }}", "default \"latest\" }}", image_is_the_version),
    ("tls", "tests/health.yaml", "include \"serving.scheme\" .", "\"http\"", helm_test_asks_the_service),
    ("tls", "statefulset.yaml", "/tls/tls.key", "/tls/tls.crt", tls_is_all_or_nothing),
    ("outside", "servicemonitor.yaml", "component: http", "component: grpc", monitor_finds_the_service),
    ("grpc-ingress", "ingress.yaml", "if eq .port \"http\"", "if true", ingress_leads_to_a_service),
    ("defaults", "statefulset.yaml", "fsGroupChangePolicy:", "fsGroupChangesPolicy:", kubernetes_knows_every_field),
]

# ----


def check_refused(values, message, scratch):
    file = scratch / "refused.yaml"
    file.write_text(yaml.safe_dump(values))
    result = helm("template", "demo", CHART, "--values", file)
    assert result.returncode != 0, "it was taken"
    assert message in result.stderr, f"the message is {result.stderr.strip()}; it must have {message!r}"


def check_noticed(values, file, old, new, check, scratch):
    chart = scratch / "chart"
    shutil.rmtree(chart, ignore_errors=True)
    shutil.copytree(CHART, chart)
    template = chart / "templates" / file
    text = template.read_text()
    assert old in text, f"{file} has no {old!r}"
    template.write_text(text.replace(old, new))
    it = Rendered(chart, HERE / f"values-{values}.yaml")
    try:
        check(it)
    except (AssertionError, KeyError):
        return
    raise AssertionError("nobody noticed")


def check_lint(values_file):
    result = helm("lint", "--strict", CHART, "--values", values_file)
    assert result.returncode == 0, result.stdout + result.stderr


def check_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    equal((chart["version"], chart["appVersion"]), (VERSION, VERSION), "the chart's versions")


def check_notes(values_file):
    result = helm("install", "demo", CHART, "--namespace", "trial", "--dry-run=client", "--values", values_file)
    assert result.returncode == 0, result.stderr
    notes = result.stdout.split("NOTES:")[1]
    values = merged(DEFAULTS, yaml.safe_load(values_file.read_text()) or {})
    scheme = "https" if values["tls"]["secretName"] else "http"
    assert f"{scheme}://localhost:5051/v1/classify --json '{{" in notes, notes
    equal("delete pvc demo-serving" in notes, not values["data"]["existingClaim"], "what the notes say of the claim")


def main():
    results = []

    def run(name, check, *arguments):
        try:
            check(*arguments)
            results.append(True)
            print(f"passed: {name}")
        except (AssertionError, ValueError, KeyError, TypeError, IndexError) as problem:
            results.append(False)
            print(f"FAILED: {name}: {type(problem).__name__}: {problem}")

    run("the chart's version is the product's", check_version)
    for values_file in sorted(HERE.glob("values-*.yaml")):
        name = values_file.stem.removeprefix("values-")
        run(f"{name}: lint", check_lint, values_file)
        run(f"{name}: notes", check_notes, values_file)
        try:
            it = Rendered(CHART, values_file)
        except ValueError as problem:
            results.append(False)
            print(f"FAILED: {name}: {problem}")
            continue
        for check in [*CHECKS, *filter(None, [EXPECTATIONS.get(name)])]:
            run(f"{name}: {check.__name__.replace('_', ' ')}", check, it)
    with tempfile.TemporaryDirectory() as scratch:
        for values, message in REFUSED:
            run(f"refused: {json.dumps(values)}", check_refused, values, message, pathlib.Path(scratch))
        for broken in BROKEN:
            name = f"noticed: {broken[2].strip()!r} as {broken[3].strip()!r}"
            run(name, check_noticed, *broken, pathlib.Path(scratch))
    print(f"helm: {sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
