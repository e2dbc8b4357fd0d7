// What `quote` says where something is missing: a command, or a place that costs as little as asked.

import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { fold } from '../../src/engine/fold.ts';
import { quote } from '../../src/engine/quote.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { prepareSpec } from '../../src/terminal/prepare.ts';
import { planLines, planSentence, stateSentence } from '../../src/terminal/sentences.ts';
import type { Session } from '../../src/wire.ts';
import { HOUR, market, NOW, record, SETTINGS, spec } from '../support/build.ts';

describe('without a command', () => {
  const asked: string[] = [];
  const session = {
    clock: { nowMs: () => NOW },
    config: configSchema.parse({}),
    market: { view: async () => market() },
    paths: { checkpointDir: (id: string) => `/state/${id}` },
    queue: {
      records: {
        medianDurationMs: async (name: string) => {
          asked.push(name);
          return name === 'true' || name === 'nightly' ? { medianMs: HOUR, runs: 3 } : null;
        },
      },
    },
  } as unknown as Session;

  it('a missing duration is told without words that nobody typed, and nothing is learnt of them', async () => {
    const refused = await prepareSpec(session, { deadline: '+6h' }, null, null).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      kind: 'usage',
      message: '--duration is missing, and without a command or a --name there are no finished runs to learn it from.',
    });
    expect(asked).toEqual([]);
  });

  it('a name is enough to learn from, and a duration is enough without', async () => {
    expect((await prepareSpec(session, { deadline: '+6h', name: 'nightly' }, null, null)).understood).toContain(
      'the median of 3 finished runs of "nightly"',
    );
    expect((await prepareSpec(session, { deadline: '+6h', duration: '2h' }, null, null)).spec.workMs).toBe(2 * HOUR);
  });

  it('a submit is refused as before', async () => {
    await expect(prepareSpec(session, { deadline: '+6h', duration: '1h' }, [], null)).rejects.toThrow('There is no command to run.');
  });
});

describe('with a price cap that nothing on offer meets', () => {
  const capped = spec({ maxPriceUsdPerHour: 0.01 });
  const offer = quote(capped, market(), SETTINGS, NOW);

  it('the plan says so in plain words, and what will happen', () => {
    const said = planSentence(offer, NOW, 'UTC', capped.maxPriceUsdPerHour);
    expect(said).toMatch(
      /^plan: no place costs \$0\.010\/h or less now, on spot or on demand; it is held until one does, and starts then\. If none does by (\w{3} )?\d\d:\d\d, it will be late/,
    );
    expect([said, ...planLines(offer, NOW, 'UTC')].join('\n')).not.toContain('?');
  });

  it('the held job says it too, and promises no start on demand', () => {
    const held: JobEvent = { type: 'planned', atMs: NOW, why: 'no-capacity', reason: 'no-spot-capacity', plan: offer.plan };
    const state = fold(record([held], capped));
    expect(stateSentence(state, [], { settings: SETTINGS, nowMs: NOW, zone: 'UTC' })).toMatch(
      /^held: no place costs \$0\.010\/h or less; latest start /,
    );
  });

  it('another plan is told as before', () => {
    const dear = spec({ maxPriceUsdPerHour: 5 });
    expect(planSentence(quote(dear, market(), SETTINGS, NOW), NOW, 'UTC', 5)).toMatch(/^plan: start now on spot g4dn\.xlarge in euw3-az2, about \$/);
  });
});
