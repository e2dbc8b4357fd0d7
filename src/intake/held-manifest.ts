// A pod that is held while Nerve is away (`--if-away hold`): the command line writes what the webhook would have written, because none of it
// can be added to a pod later. Environment first: only the gate and the marks could be.

import { graceSeconds, PROTECTION } from '../engine/pod/marks.ts';
import { ENV, HOLD_GATE, HOOK_PORT, JOB_ID_LABEL, POD } from '../engine/pod/names.ts';
import type { Container, EnvVar, PodSpec } from '../engine/pod/types.ts';
import type { Manifest } from '../ports.ts';

export interface Hold {
  readonly jobId: string;
  /** Random: whoever knows it may ask this attempt for a checkpoint. */
  readonly hookToken: string;
}

const WRITTEN_BY = 'cli';

export function heldManifest(pod: Manifest, { jobId, hookToken }: Hold): Manifest {
  const spec = pod.spec as PodSpec;
  const { annotations, labels } = pod.metadata;
  const { [POD.checkpointUri]: uri, [POD.deadline]: deadline } = annotations ?? {};
  const env: readonly EnvVar[] = [
    { name: ENV.jobId, value: jobId },
    { name: ENV.attempt, value: '1' },
    { name: ENV.hookPort, value: String(HOOK_PORT) },
    { name: ENV.hookToken, value: hookToken },
    { name: ENV.hookHost, value: '0.0.0.0' },
    ...(deadline === undefined ? [] : [{ name: ENV.deadline, value: deadline }]),
    ...(uri === undefined ? [] : [{ name: ENV.checkpointUri, value: uri }]),
  ];
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...labels, [JOB_ID_LABEL]: jobId },
      annotations: {
        ...PROTECTION,
        ...annotations,
        [POD.attempt]: '1',
        [POD.webhook]: WRITTEN_BY,
      },
    },
    spec: {
      ...spec,
      terminationGracePeriodSeconds: graceSeconds(spec.terminationGracePeriodSeconds),
      schedulingGates: [...(spec.schedulingGates ?? []), { name: HOLD_GATE }],
      containers: spec.containers.map((container, n) => (n === 0 ? withEnv(container, env) : container)),
    },
  };
}

/** What the user set stays. */
function withEnv(container: Container, env: readonly EnvVar[]): Container {
  const given = container.env ?? [];
  return { ...container, env: [...given, ...env.filter(({ name }) => !given.some((mine) => mine.name === name))] };
}
