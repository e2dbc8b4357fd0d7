// Every setting there is, with its default and its meaning. One schema for `nerve.yaml`, the environment (NERVE_*) and flags:
// load.ts merges them, this file judges the result. Lengths are seconds in the file, because people write them.

import { z } from 'zod';

const seconds = z.number().positive().finite();

const quantity = z.union([z.string().min(1), z.number().positive()]).transform(String);

const contextSchema = z.strictObject({
  namespace: z.string().min(1).optional(),
  image: z.string().min(1).optional(),
  gpus: z
    .union([z.string().min(1), z.number().int().positive()])
    .transform(String)
    .optional(),
  cpu: quantity.optional(),
  memory: quantity.optional(),
  serviceAccount: z.string().min(1).optional(),
  checkpointUri: z.string().min(1).optional(),
  zones: z.array(z.string().min(1)).min(1).optional(),
  instanceTypes: z.array(z.string().min(1)).min(1).optional(),
  optimize: z.enum(['cost', 'carbon', 'balanced']).optional(),
  ifAway: z.enum(['run', 'hold', 'fail']).optional(),
});

export type ContextDefaults = z.infer<typeof contextSchema>;

export const configSchema = z.strictObject({
  /** Where jobs run; null = a running `nerve up` of this user, else the current kube context. */
  target: z.enum(['local', 'cluster']).nullable().default(null),
  cluster: z
    .strictObject({
      /** Kube context; null = the current one. */
      context: z.string().min(1).nullable().default(null),
      /** Where jobs of any context go; null = what `contexts` says, else the context's own, else "default". */
      namespace: z.string().min(1).nullable().default(null),
      /** How long a submit waits for the worker's plan, and an ask until it is taken. */
      answerTimeoutSeconds: seconds.default(20),
      /** Where Nerve itself is installed: the doctor looks there. */
      nerveNamespace: z.string().min(1).default('nerve'),
    })
    .prefault({}),
  /** Defaults of `nerve submit` for one kube context each; flags and the job file win over them. */
  contexts: z.record(z.string(), contextSchema).default({}),
  redis: z
    .strictObject({
      /** `redis://...` or the path of a unix socket; null = the embedded one. */
      url: z.string().min(1).nullable().default(null),
    })
    .prefault({}),
  job: z
    .strictObject({
      instanceTypes: z.array(z.string().min(1)).min(1).default(['g4dn.xlarge']),
      zones: z.array(z.string().min(1)).min(1).nullable().default(null),
      optimize: z.enum(['cost', 'carbon', 'balanced']).default('cost'),
      retries: z.number().int().min(0).max(100).default(3),
      timeZone: z.string().nullable().default(null),
    })
    .prefault({}),
  /** Files that nerve_forecaster exported; null = the 7-day mean with level. */
  forecast: z
    .strictObject({
      carbonModel: z.string().min(1).nullable().default(null),
      priceModel: z.string().min(1).nullable().default(null),
    })
    .prefault({}),
  policy: z
    .strictObject({
      /** Kept in hand before every latest start, on top of everything known. */
      marginSeconds: seconds.default(300),
      /** Asking for on demand until it runs. */
      onDemandLeadSeconds: seconds.default(300),
      /** From launch to past the resume point, until it was measured for the job. */
      startOverheadSeconds: seconds.default(300),
      /** A pending spot attempt is given up after this. */
      placementTimeoutSeconds: seconds.default(300),
      /** One that has a machine and does not start there (a volume, an image, a broken node) is given up after this, next time after twice as long. */
      startTimeoutSeconds: seconds.default(600),
      /** The longest time between two periodic checkpoints. */
      maxUnsavedSeconds: seconds.default(600),
      maxMovesPerHour: z.number().int().min(0).default(2),
      /** A later window must save at least this fraction to be held for. */
      minHoldSaving: z.number().min(0).max(1).default(0.03),
      /** A voluntary move must save at least this fraction of what remains. */
      minMoveSaving: z.number().min(0).max(1).default(0.15),
    })
    .prefault({}),
  webhook: z
    .strictObject({
      /** Taints that keep spot nodes for those who ask for them, `key=value:Effect`: adopted pods tolerate them. */
      spotTaints: z
        .array(z.string().regex(/^[\w./-]+(=[\w.-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$/, 'a taint is key=value:NoSchedule'))
        .default([
          'eks.amazonaws.com/capacityType=SPOT:NoSchedule',
          'karpenter.sh/capacity-type=spot:NoSchedule',
          'node.kubernetes.io/lifecycle=spot:NoSchedule',
          'cloud.google.com/gke-spot=true:NoSchedule',
        ]),
    })
    .prefault({}),
});

export type Config = z.infer<typeof configSchema>;
