// Flags > environment (NERVE_*) > nerve.yaml > defaults. The environment is given, so that a test or an embedding program can give another.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { NerveError } from '../engine/errors.ts';
import { type Environment, environment } from './environment.ts';
import { type Config, configSchema } from './schema.ts';

export type Overrides = { readonly [K in keyof Config]?: unknown };

export interface Loaded {
  readonly config: Config;
  /** Where each setting that is no default came from, for `nerve config show`. */
  readonly sources: Readonly<Record<string, string>>;
}

/** Environment variable -> path in the schema, and how its text is read. */
const VARIABLES: Readonly<Record<string, { readonly path: readonly [string, string?]; readonly list?: true; readonly number?: true }>> = {
  NERVE_TARGET: { path: ['target'] },
  NERVE_CONTEXT: { path: ['cluster', 'context'] },
  NERVE_NAMESPACE: { path: ['cluster', 'namespace'] },
  NERVE_REDIS_URL: { path: ['redis', 'url'] },
  NERVE_INSTANCE_TYPES: { path: ['job', 'instanceTypes'], list: true },
  NERVE_ZONES: { path: ['job', 'zones'], list: true },
  NERVE_OPTIMIZE: { path: ['job', 'optimize'] },
  NERVE_RETRIES: { path: ['job', 'retries'], number: true },
  NERVE_TIME_ZONE: { path: ['job', 'timeZone'] },
  NERVE_CARBON_MODEL: { path: ['forecast', 'carbonModel'] },
  NERVE_PRICE_MODEL: { path: ['forecast', 'priceModel'] },
};

export interface LoadOptions {
  readonly env?: Environment;
  readonly cwd?: string;
  readonly flags?: Overrides;
}

/** @throws NerveError `usage` naming the setting that is wrong and where it came from. */
export function loadConfig({ env = environment(), cwd = process.cwd(), flags = {} }: LoadOptions = {}): Loaded {
  const file = env['NERVE_CONFIG'] ?? join(cwd, 'nerve.yaml');
  const sources: Record<string, string> = {};
  const merged: Record<string, unknown> = {};
  put(merged, sources, fromFile(file, env['NERVE_CONFIG'] !== undefined), file);
  for (const [name, { path, list, number }] of Object.entries(VARIABLES)) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    const value = list ? text.split(',').map((part) => part.trim()) : number ? Number(text) : text;
    const [room, key] = path;
    put(merged, sources, key === undefined ? { [room]: value } : { [room]: { [key]: value } }, name);
  }
  put(merged, sources, flags, 'flag');
  const result = configSchema.safeParse(merged);
  if (result.success) return { config: result.data, sources };
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new NerveError('usage', `The setting ${where === '' ? '(top level)' : where} is not valid: ${issue?.message ?? 'unknown'}.`, {
    // The fault may lie inside a list: its source is that of the list.
    hint: `It comes from ${sources[where.replace(/\.\d+$/, '')] ?? file}; "nerve config show" lists every setting and its default.`,
  });
}

function fromFile(path: string, required: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (!required) return {};
    throw new NerveError('usage', `Cannot read the configuration file ${path}.`, {
      cause,
      hint: 'NERVE_CONFIG names it: correct or unset that variable.',
    });
  }
  try {
    const value: unknown = parse(text) ?? {};
    if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw new NerveError('usage', `${path} is not valid YAML: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`, {
      cause,
      hint: 'Correct the file.',
    });
  }
  throw new NerveError('usage', `${path} must hold settings (name: value).`, { hint: 'See "nerve config show" for the names.' });
}

/** Merges one source over what is there, two levels deep (the schema has no more). */
function put(target: Record<string, unknown>, sources: Record<string, string>, values: Readonly<Record<string, unknown>>, source: string): void {
  for (const [room, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const inner = Object.entries(value).filter(([, v]) => v !== undefined);
      for (const [key] of inner) sources[`${room}.${key}`] = source;
      target[room] = { ...(target[room] as object | undefined), ...Object.fromEntries(inner) };
    } else {
      sources[room] = source;
      target[room] = value;
    }
  }
}
