{{/* The name of everything: the release's, with the chart's unless it is in there. 52 characters leave room for suffixes. */}}
{{- define "serving.name" -}}
{{- if contains "serving" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-serving" (.Release.Name | trunc 44 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "serving.selector" -}}
app.kubernetes.io/name: serving
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "serving.labels" -}}
{{ include "serving.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "serving.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "serving.scheme" -}}
{{ ternary "https" "http" (ne .Values.tls.secretName "") }}
{{- end -}}

{{/* A value as a quoted string. Helm reads numbers as floating point, and would write 1073741824 as 1.073741824e+09. */}}
{{- define "serving.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{ int64 . | toString | quote }}
{{- else -}}
{{ toString . | quote }}
{{- end -}}
{{- end -}}

{{/* Seconds as .NET reads a time: 90 is 00:01:30. */}}
{{- define "serving.time" -}}
{{- $seconds := int . -}}
{{ printf "%02d:%02d:%02d" (div $seconds 3600) (mod (div $seconds 60) 60) (mod $seconds 60) | quote }}
{{- end -}}

{{/* How long a pod may take to stop. */}}
{{- define "serving.graceSeconds" -}}
{{- $both := add .Values.shutdown.drainSeconds .Values.shutdown.callsSeconds | int -}}
{{- $grace := .Values.shutdown.graceSeconds -}}
{{- if kindIs "invalid" $grace -}}
{{ add $both 10 }}
{{- else if gt (int $grace) $both -}}
{{ int $grace }}
{{- else -}}
{{ fail (printf "shutdown.graceSeconds is %d; it must be above drainSeconds and callsSeconds together, %d." (int $grace) $both) }}
{{- end -}}
{{- end -}}

{{/* Settings that the chart itself makes; .NET takes names in any case. */}}
{{- define "serving.checkSettings" -}}
{{- $owned := list "address" "port" "httpport" "data" "certificatefile" "certificatekeyfile" "metrics" "draindelay" "shutdowntimeout" -}}
{{- range $key, $value := .Values.settings -}}
{{- if has (lower $key) $owned -}}
{{ fail (printf "settings.%s belongs to the chart; see data, tls, metrics and shutdown." $key) }}
{{- end -}}
{{- end -}}
{{- end -}}
