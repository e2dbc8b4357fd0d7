// What every held pod is given, whoever makes it Nerve's: the webhook, or the command line while Nerve is away.

/** What a checkpoint needs between SIGTERM and SIGKILL, within the cloud's two minutes: ten seconds are for the notice to be seen. */
const GRACE_SECONDS = 110;

/** Drained by nobody but Nerve, unless the user says otherwise. */
export const PROTECTION = { 'karpenter.sh/do-not-disrupt': 'true', 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } as const;

/** Never less than the user asked. */
export const graceSeconds = (asked: number | null | undefined): number => Math.max(asked ?? 0, GRACE_SECONDS);
