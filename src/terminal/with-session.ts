// Opens the target for one command and closes it again, however the command ends.

import type { Session } from '../wire.ts';

export async function withSession<T>(flags: { readonly target?: string | undefined }, use: (session: Session) => Promise<T>): Promise<T> {
  const { openSession, where } = await import('../wire.ts');
  const session = await openSession(where(flags));
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

export const jobArg = { description: 'id of the job, as "nerve submit" printed it', required: true } as const;
