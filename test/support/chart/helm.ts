// Helm for the chart's tests: the pinned one from the cache, else built once through Go into it, else whatever `helm` is on PATH. Where
// none can be had the tests are reported as skipped, with the reason.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

const run = promisify(execFile);
export const CHART = 'charts/nerve-agent';
/** A build of helm from source believes in an old Kubernetes unless told. */
const KUBE_VERSION = '1.36.0';

const MODULE = 'helm.sh/helm/v3/cmd/helm';

export type Found = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly why: string };

/** A Kubernetes object as far as the tests look: whatever the templates say. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly [key: string]: unknown;
}

export async function findHelm(): Promise<Found> {
  const folder = join(process.env['NERVE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'nerve'), 'bin');
  const { helm: version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'programs.json'), 'utf8')) as { readonly helm: string };
  const pinned = join(folder, `helm-${version}`);
  if (existsSync(pinned)) return { ok: true, path: pinned };
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'helm-'));
  try {
    const env = { ...process.env, GOBIN: work };
    await run('nice', ['-n', '10', 'go', 'install', '-ldflags', '-s -w', `${MODULE}@v${version}`], { env, timeout: 15 * 60_000 });
    renameSync(join(work, 'helm'), pinned);
    return { ok: true, path: pinned };
  } catch (error) {
    const onPath = await run('helm', ['version', '--short']).then(
      () => true,
      () => false,
    );
    if (onPath) return { ok: true, path: 'helm' };
    const why = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
    return { ok: false, why: `there is no helm on PATH and none could be built through Go (${why})` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export interface Helm {
  /** stdout. @throws with stderr in its message. */
  readonly run: (...args: readonly string[]) => Promise<string>;
  /** The chart's manifests, hooks and tests included. `values` are `--set` pairs, or flags that start with `--`. */
  readonly render: (...values: readonly string[]) => Promise<readonly Manifest[]>;
}

export function helmAt(path: string): Helm {
  const helm = async (...args: readonly string[]): Promise<string> => (await run(path, args, { maxBuffer: 64 * 2 ** 20 })).stdout;
  return {
    run: helm,
    render: async (...values) => {
      const flags = values.flatMap((value) => (value.startsWith('--') ? [value] : ['--set', value]));
      const text = await helm('template', 'nerve-agent', CHART, '--namespace', 'nerve', '--kube-version', KUBE_VERSION, ...flags);
      return parseAllDocuments(text)
        .map((document) => document.toJS() as Manifest | null)
        .filter((one) => one !== null);
    },
  };
}
