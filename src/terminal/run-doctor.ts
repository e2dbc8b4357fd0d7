// `nerve doctor`: gathers, judges, and says it. Errors of the looks themselves (no kubeconfig, nobody answers) are errors of the command.

import type { ClusterFacts } from '../doctor/facts.ts';
import type { Finding } from '../doctor/finding.ts';
import { gather } from '../doctor/gather.ts';
import { judgeCluster } from '../doctor/judge-cluster.ts';
import { judgeLocal } from '../doctor/judge-local.ts';
import { NerveError } from '../engine/errors.ts';
import { POD } from '../engine/pod/names.ts';
import { readAsked } from '../intake/job-file.ts';
import { podOf } from '../intake/submit-pod.ts';
import type { Manifest } from '../ports.ts';
import type { Where } from '../wire.ts';
import type { ClusterSession } from '../wire-user.ts';
import { count, table } from './figures.ts';

export interface DoctorFlags {
  readonly file?: string | undefined;
  readonly 'checkpoint-uri'?: string | undefined;
}

export async function examineCluster({ cluster, config, defaults }: ClusterSession, flags: DoctorFlags): Promise<readonly Finding[]> {
  const planned = plannedIn(flags.file);
  const uri = flags['checkpoint-uri'] ?? (planned === null ? null : uriOf(planned)) ?? defaults.checkpointUri ?? null;
  const facts = await gather(cluster, {
    nerveNamespace: config.cluster.nerveNamespace,
    planned: planned === null ? [] : [planned],
    store: await storeAt(uri),
    redis: await redisAt(config.redis.url),
    nowMs: Date.now(),
  });
  return judgeCluster(facts);
}

export async function examineHere(at: Where): Promise<readonly Finding[]> {
  const { lookAround } = await import('../wire.ts');
  return judgeLocal(await lookAround(at));
}

function plannedIn(path: string | undefined): Manifest | null {
  if (path === undefined) return null;
  const { file, manifest } = readAsked(path);
  if (manifest !== null || file.template === undefined) return manifest;
  return { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: file.name ?? 'the template' }, ...file.template } as Manifest;
}

const uriOf = (object: Manifest): string | undefined => (object.kind === 'Job' ? podOf(object) : object).metadata.annotations?.[POD.checkpointUri];

async function storeAt(uri: string | null): Promise<ClusterFacts['store']> {
  if (uri === null) return { unknown: 'no place for checkpoints was named' };
  if (!uri.startsWith('s3:')) return { unknown: `${uri} is a folder of the pod` };
  const { openSealLog } = await import('../wire.ts');
  return refusedOr(async () => (await openSealLog(uri)).tryOut());
}

async function redisAt(url: string | null): Promise<ClusterFacts['redis']> {
  if (url === null) return { unknown: 'no address of it was given' };
  const { openClusterRecords } = await import('../wire.ts');
  return refusedOr(async () => {
    await (await openClusterRecords(url)).close();
    return 'ok' as const;
  });
}

async function refusedOr<T>(look: () => Promise<T>): Promise<{ readonly known: T } | { readonly refused: string; readonly fix: string }> {
  try {
    return { known: await look() };
  } catch (error) {
    if (error instanceof NerveError) return { refused: error.message, fix: error.hint ?? 'Try again.' };
    throw error;
  }
}

const MARK = { ok: 'ok  ', warn: 'warn', fail: 'FAIL', unknown: '?   ' } as const;

export function findingLines(findings: readonly Finding[]): readonly string[] {
  const rows = findings.map(({ status, check, what }) => [MARK[status], check, what]);
  const fixes = findings.filter(({ fix }) => fix !== null);
  const bad = findings.filter(({ status }) => status === 'fail').length;
  const sum =
    bad === 0
      ? `Nothing is in the way${findings.some(({ status }) => status === 'warn') ? ', but see the warnings' : ''}.`
      : `${count(bad, 'fault')} to mend.`;
  return [table(rows), ...(fixes.length === 0 ? [] : ['', 'What to do:', ...fixes.map(({ check, fix }) => `  ${check}: ${fix ?? ''}`)]), '', sum];
}
