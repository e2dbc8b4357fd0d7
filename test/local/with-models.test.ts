// Trained forecasts come and go with their files; what is not used is said, with the reason, once.

import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withModels } from '../../src/adapters/forecasts/with-models.ts';
import type { Clock, Log, Market } from '../../src/ports.ts';
import { market } from '../support/build.ts';

const NOW = Date.UTC(2026, 2, 3);
const MINUTE = 60_000;
const GOOD = new URL('../engine/forecaster/parity-profile.json', import.meta.url);

let folder = '';
let path = '';
let nowMs = NOW;
let said: { readonly level: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];

const clock: Clock = { nowMs: () => nowMs, realNowMs: () => nowMs, sleep: () => Promise.resolve(), speed: 1 };
const say = (level: string) => (fields: Readonly<Record<string, unknown>>) => void said.push({ level, fields });
const log: Log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
const view = market();
const plain: Market = { view: () => Promise.resolve(view), meter: () => Promise.resolve([]) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nerve-models-'));
  path = join(folder, 'carbon.json');
  nowMs = NOW;
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const modelled = (): Market => withModels(plain, { carbonModel: path, priceModel: null }, clock, log);

describe('a market with trained forecasts', () => {
  it('is the market itself where none is named', () => {
    expect(withModels(plain, { carbonModel: null, priceModel: null }, clock, log)).toBe(plain);
  });

  it('carries a good model, and answers the same view as long as nothing changes', async () => {
    copyFileSync(GOOD, path);
    const with_ = modelled();
    const first = await with_.view();
    expect(first.models?.carbon?.horizonHours).toBe(12);
    expect(await with_.view()).toBe(first);
    expect(said.map((line) => line.level)).toEqual(['info']);
  });

  it('goes without a missing or corrupt one, says why once, and takes it when it is mended', async () => {
    const with_ = modelled();
    expect((await with_.view()).models).toEqual({});
    nowMs += 6 * MINUTE;
    await with_.view();
    expect(said).toHaveLength(1);
    expect(said[0]?.fields['reason']).toContain('cannot be read');
    writeFileSync(path, '{"format":"nerve-fore');
    nowMs += 6 * MINUTE;
    expect((await with_.view()).models).toEqual({});
    expect(said[1]?.fields['reason']).toContain('not JSON');
    copyFileSync(GOOD, path);
    utimesSync(path, new Date(NOW + 1), new Date(NOW + 1));
    nowMs += 6 * MINUTE;
    expect((await with_.view()).models?.carbon).toBeDefined();
  });

  it('lets go of one that grows too old while it runs', async () => {
    copyFileSync(GOOD, path);
    const with_ = modelled();
    expect((await with_.view()).models?.carbon).toBeDefined();
    nowMs += 130 * 24 * 60 * MINUTE;
    expect((await with_.view()).models).toEqual({});
    expect(said.at(-1)?.fields['reason']).toContain('train it again');
  });
});
