// `node scripts/chart-schema.ts`: writes charts/nerve-agent/values.schema.json from values.yaml (each key's type is that of its
// default, its description the `# --` comment above it) and, for `settings`, from the programs' own configuration schema. Strict: a key
// that is not in values.yaml is refused, wherever Kubernetes itself does not take free maps. test/chart/schema.test.ts compares.

import { readFileSync, writeFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, parseDocument, type Node, type Pair } from 'yaml';
import { z } from 'zod';
import { configSchema } from '../src/config/schema.ts';

type Schema = Readonly<Record<string, unknown>>;

const CHART = 'charts/nerve-agent';
const OBJECTS: Schema = { type: 'array', items: { type: 'object' } };
const STRINGS: Schema = { type: 'array', items: { type: 'string', minLength: 1 }, uniqueItems: true };
const FREE: Schema = { type: 'object' };
const PORT: Schema = { type: 'integer', minimum: 1, maximum: 65535 };

/** Whatever Kubernetes takes there, by the key's last name: its own API server is the judge. */
const BY_NAME: Readonly<Record<string, Schema>> = {
  resources: FREE,
  affinity: FREE,
  updateStrategy: FREE,
  issuerRef: FREE,
  nodeSelector: { type: 'object', additionalProperties: { type: 'string' } },
  labels: { type: 'object', additionalProperties: { type: 'string' } },
  podLabels: { type: 'object', additionalProperties: { type: 'string' } },
  podAnnotations: { type: 'object', additionalProperties: { type: 'string' } },
  annotations: { type: 'object', additionalProperties: { type: 'string' } },
  tolerations: OBJECTS,
  topologySpreadConstraints: OBJECTS,
  hostAliases: OBJECTS,
  extraEnv: OBJECTS,
  imagePullSecrets: OBJECTS,
  metricsFrom: OBJECTS,
  pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
  port: PORT,
  heapMegabytes: { type: 'integer', minimum: 16 },
};

const BY_PATH: Readonly<Record<string, Schema>> = {
  jobNamespaces: STRINGS,
  'webhook.excludedNamespaces': STRINGS,
  'networkPolicy.apiServerPorts': { type: 'array', items: PORT, minItems: 1 },
  'networkPolicy.redisPorts': { type: 'array', items: PORT, minItems: 1 },
  nodeDialect: { enum: ['auto', 'karpenter', 'eks', 'labels'] },
  logLevel: { enum: ['trace', 'debug', 'info', 'warn', 'error'] },
  avoidSpot: { enum: ['required', 'preferred', 'off'] },
  'image.digest': { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
  'worker.replicas': { type: 'integer', minimum: 1 },
  'webhook.replicas': { type: 'integer', minimum: 1 },
  'webhook.timeoutSeconds': { type: 'integer', minimum: 1, maximum: 2 },
  'hooks.limitSeconds': { type: 'integer', minimum: 10, maximum: 280 },
  'redis.appendfsync': { enum: ['everysec', 'always', 'no'] },
  'redis.url': { type: 'string', pattern: '^(rediss?://.+)?$' },
};

export function chartSchema(): string {
  const values = parseDocument(readFileSync(`${CHART}/values.yaml`, 'utf8'));
  if (!isMap(values.contents)) throw new Error('values.yaml is no map');
  const schema = schemaOf(values.contents, '');
  const properties = { ...(schema['properties'] as Schema), settings: settingsSchema(), global: { type: 'object' } };
  return `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'nerve-agent', ...schema, properties }, null, 2)}\n`;
}

function schemaOf(node: Node | null, path: string): Schema {
  const special = BY_PATH[path] ?? BY_NAME[path.slice(path.lastIndexOf('.') + 1)];
  if (special !== undefined) return special;
  if (isMap(node)) {
    const properties = Object.fromEntries(
      (node.items as readonly Pair<Node, Node>[]).map((pair, i) => property(pair, path, i === 0 ? node : pair.key)),
    );
    return { type: 'object', additionalProperties: false, properties };
  }
  if (isSeq(node)) throw new Error(`${path}: say in scripts/chart-schema.ts what its items are`);
  if (isScalar(node)) {
    if (typeof node.value === 'number') return { type: 'integer', minimum: 0 };
    if (typeof node.value === 'boolean' || typeof node.value === 'string') return { type: typeof node.value };
  }
  throw new Error(`${path}: a default is needed to know its type`);
}

/** `commented`: the comment above a map's first key belongs to the map. */
function property({ key, value }: Pair<Node, Node>, path: string, commented: Node): [string, Schema] {
  const name = String(isScalar(key) ? key.value : key);
  const says = /-- ([\s\S]*)$/.exec(commented.commentBefore ?? '')?.[1];
  const schema = schemaOf(value, path === '' ? name : `${path}.${name}`);
  return [name, says === undefined ? schema : { description: says.replaceAll(/\s*\n\s*/g, ' ').trim(), ...schema }];
}

/** Decided by the chart itself (how to reach the cluster and Redis), or of people's laptops only. */
const NOT_SETTINGS = new Set(['target', 'cluster', 'contexts', 'redis']);

/** What nerve.yaml may hold in the cluster. */
function settingsSchema(): Schema {
  const { properties = {}, additionalProperties } = z.toJSONSchema(configSchema, { io: 'input' });
  const left = Object.fromEntries(Object.entries(properties).filter(([name]) => !NOT_SETTINGS.has(name)));
  return { description: 'Settings of the programs, as in nerve.yaml.', type: 'object', properties: left, additionalProperties };
}

if (import.meta.main) writeFileSync(`${CHART}/values.schema.json`, chartSchema());
