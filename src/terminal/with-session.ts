// Opens this machine's Nerve for one command and closes it again, however the command ends. What a cluster can do too goes through with-target.ts.

import { NerveError } from '../engine/errors.ts';
import type { Session, TargetFlags } from '../wire.ts';

export async function withSession<T>(flags: TargetFlags, use: (session: Session) => Promise<T>): Promise<T> {
  const { openSession, where } = await import('../wire.ts');
  const at = where(flags);
  if (at.config.target === 'cluster')
    throw new NerveError('usage', 'This command works on this machine only.', { hint: 'Leave out --target, --context and --namespace.' });
  const session = await openSession(at);
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}
