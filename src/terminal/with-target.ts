// Which Nerve a command talks to: what was asked for, else a running "nerve up", else the current kube context if Nerve answers there. One
// place decides; a command gives one function for each.

import { nerveAnswers } from '../intake/probe.ts';
import type { Session, Where } from '../wire.ts';
import type { ClusterSession } from '../wire-user.ts';
import type { TargetFlags } from '../wire.ts';

export interface OnTarget<T> {
  readonly local: (session: Session) => Promise<T>;
  readonly cluster: (session: ClusterSession) => Promise<T>;
}

/** `ask`: whether the cluster is asked for Nerve before it is taken without having been named; a submit finds out by itself. */
export async function withTarget<T>(flags: TargetFlags, on: OnTarget<T>, ask = true): Promise<T> {
  const { isUp, openSession, where } = await import('../wire.ts');
  const at = where(flags);
  if (at.config.target === 'local' || (at.config.target === null && isUp(at.paths))) {
    const session = await openSession(at);
    try {
      return await on.local(session);
    } finally {
      await session.close();
    }
  }
  return on.cluster(await clusterFor(at, ask && at.config.target === null));
}

async function clusterFor(at: Where, ask: boolean): Promise<ClusterSession> {
  const { clusterNamed, nothingAnswers, openCluster } = await import('../wire-user.ts');
  if (at.config.target === null && !clusterNamed()) throw nothingAnswers('there is no kubeconfig');
  const session = openCluster(at);
  if (!ask) return session;
  // Whoever cannot be asked (no right to create pods, a quota) may still be there.
  const answers = await nerveAnswers(session.cluster, Date.now());
  if (answers === 'no') throw nothingAnswers(`it does not answer in context ${session.cluster.context}`);
  return session;
}
