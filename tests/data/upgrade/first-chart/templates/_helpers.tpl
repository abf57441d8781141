{{- define "simplemem.name" -}}
{{- default .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "simplemem.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "simplemem.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "simplemem.selector" -}}
app.kubernetes.io/name: simplemem-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "simplemem.labels" -}}
{{ include "simplemem.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "simplemem.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .appVersion .image.tag }}
{{- end -}}
{{- end -}}
