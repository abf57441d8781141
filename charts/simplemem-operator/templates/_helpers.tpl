{{- define "simplemem.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
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

{{- /* Labels of every object; those of the chart win, since its selectors go by them. */ -}}
{{- define "simplemem.labels" -}}
{{- $own := include "simplemem.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" "operator" -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{- /* Metadata of an object: name, namespace, labels and annotations. `root` is the chart's context; `name`, `namespace`
(none where empty), `labels` and `annotations` are the object's own, and win over the common ones. */ -}}
{{- define "simplemem.metadata" -}}
name: {{ .name | default (include "simplemem.name" .root) }}
{{- if not .isClusterWide }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels: {{- toYaml (merge (include "simplemem.labels" .root | fromYaml) (.labels | default dict)) | nindent 2 }}
{{- with merge (deepCopy (.annotations | default dict)) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* An image name with its first part, where that is a registry, replaced by the registry of the values. */ -}}
{{- define "simplemem.mirrored" -}}
{{- $name := .name -}}
{{- if .registry -}}
{{- $parts := splitList "/" $name -}}
{{- $first := first $parts -}}
{{- if and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $name = rest $parts | join "/" -}}
{{- end -}}
{{- $name = printf "%s/%s" (trimSuffix "/" .registry) $name -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "simplemem.image" -}}
{{- $name := include "simplemem.mirrored" (dict "name" .image.repository "registry" .root.Values.imageRegistry) -}}
{{- if .image.digest -}}
{{ $name }}@{{ .image.digest }}
{{- else -}}
{{ $name }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}
{{- end -}}

{{- /* Namespaces to watch as a JSON list: none for all of them. */ -}}
{{- define "simplemem.namespaces" -}}
{{- if .Values.watchNamespaces -}}
{{- toJson .Values.watchNamespaces -}}
{{- else if eq .Values.scope "Namespaced" -}}
{{- list .Release.Namespace | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}
