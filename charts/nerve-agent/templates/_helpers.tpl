{{/* Names, labels and the parts that several objects share. */}}

{{- define "nerve.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: "-webhook" and what Kubernetes adds to a CronJob's pods must fit into 63. */}}
{{- define "nerve.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "nerve.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "nerve.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "nerve.selector" . }}
{{- end -}}

{{- define "nerve.selector" -}}
app.kubernetes.io/name: {{ include "nerve.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The metadata of every pod template: (dict "root" $ "component" "worker"). */}}
{{- define "nerve.podMetadata" -}}
labels:
  {{- include "nerve.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .root.Values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- with .checksum }}
  checksum/config: {{ . }}
  {{- end }}
  {{- with .root.Values.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{- define "nerve.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The program: Node with the flags that keep it small (measured: a third of the default's memory), then the bundle.
     (dict "heapMegabytes" 32). A flag is an argument and not NODE_OPTIONS: V8's own flags are refused there. */}}
{{- define "nerve.command" -}}
- /usr/local/bin/node
- --optimize-for-size
- --v8-pool-size=1
- --max-semi-space-size=1
- --max-old-space-size={{ int .heapMegabytes }}
{{- if .lite }}
- --lite-mode
{{- end }}
- /opt/nerve/dist/cli.js
{{- end -}}

{{/* Who a program is and where. The uninstall hooks get no more than this: the ConfigMap may be gone. */}}
{{- define "nerve.identityEnv" -}}
- { name: NERVE_TARGET, value: cluster }
- { name: NERVE_LOG_LEVEL, value: {{ .Values.logLevel }} }
- name: NERVE_POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: NERVE_POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: NERVE_NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- { name: NERVE_WORKER_SELECTOR, value: {{ include "nerve.workerSelector" . | quote }} }
- { name: HOME, value: /tmp }
- { name: NODE_DISABLE_COMPILE_CACHE, value: "1" }
- { name: MALLOC_ARENA_MAX, value: "1" }
# What was freed goes back to the kernel: without these glibc keeps a quarter of the worker's memory for later.
- { name: MALLOC_MMAP_THRESHOLD_, value: "32768" }
- { name: MALLOC_TRIM_THRESHOLD_, value: "32768" }
- { name: MALLOC_TOP_PAD_, value: "16384" }
- { name: UV_THREADPOOL_SIZE, value: "1" }
{{- end -}}

{{/* The same, and where the settings are. */}}
{{- define "nerve.env" -}}
{{ include "nerve.identityEnv" . }}
- { name: NERVE_CONFIG, value: /etc/nerve/nerve.yaml }
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The pods whose beat says that Nerve is alive. */}}
{{- define "nerve.workerSelector" -}}
app.kubernetes.io/name={{ include "nerve.name" . }},app.kubernetes.io/instance={{ .Release.Name }},app.kubernetes.io/component=worker
{{- end -}}

{{- define "nerve.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "nerve.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "nerve.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Node selector terms that keep off spot nodes, whoever labelled them. */}}
{{- define "nerve.noSpot" -}}
- { key: karpenter.sh/capacity-type, operator: NotIn, values: [spot] }
- { key: eks.amazonaws.com/capacityType, operator: NotIn, values: [SPOT] }
- { key: nerve.io/capacity-type, operator: NotIn, values: [spot] }
- { key: cloud.google.com/gke-spot, operator: NotIn, values: ["true"] }
- { key: node.kubernetes.io/lifecycle, operator: NotIn, values: [spot] }
{{- end -}}

{{/* (dict "root" $ "component" "worker" "own" .Values.worker.affinity "avoid" "required"). The user's own affinity replaces it. */}}
{{- define "nerve.affinity" -}}
{{- if .own -}}
affinity:
  {{- toYaml .own | nindent 2 }}
{{- else -}}
affinity:
  {{- if eq .avoid "required" }}
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            {{- include "nerve.noSpot" .root | nindent 12 }}
  {{- else if eq .avoid "preferred" }}
  nodeAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          matchExpressions:
            {{- include "nerve.noSpot" .root | nindent 12 }}
  {{- end }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
      - weight: 50
        podAffinityTerm:
          topologyKey: {{ $key }}
          labelSelector:
            matchLabels:
              {{- include "nerve.componentLabels" (dict "root" $.root "component" $.component) | nindent 14 }}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* nodeSelector, tolerations, topologySpreadConstraints, priority of one component. (dict "root" $ "values" .Values.worker) */}}
{{- define "nerve.placement" -}}
{{- $parts := pick .values "nodeSelector" "tolerations" "topologySpreadConstraints" }}
{{- range $key, $value := $parts }}{{ if not $value }}{{ $_ := unset $parts $key }}{{ end }}{{ end }}
{{- with .values.priorityClassName | default .root.Values.priorityClassName }}{{ $_ := set $parts "priorityClassName" . }}{{ end }}
{{- if $parts }}{{ toYaml $parts }}{{ end }}
{{- end -}}

{{- define "nerve.tlsSecret" -}}
{{- .Values.webhook.tls.existingSecret | default (printf "%s-webhook-tls" (include "nerve.fullname" .)) -}}
{{- end -}}

{{- define "nerve.attemptKeySecret" -}}
{{- .Values.worker.attemptKey.existingSecret | default (printf "%s-attempt-key" (include "nerve.fullname" .)) -}}
{{- end -}}

{{- define "nerve.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "nerve.fullname" .)) -}}
{{- end -}}
