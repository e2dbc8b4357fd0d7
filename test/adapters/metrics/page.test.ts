// The page as a scraper gets it, read by a strict reading of the text format.

import { afterEach, describe, expect, it } from 'vitest';
import { createRegistry } from '../../../src/adapters/metrics/registry.ts';
import { type MetricsServer, serveMetrics } from '../../../src/adapters/metrics/server.ts';
import { silentLog } from '../../../src/adapters/system/log.ts';
import { METRICS } from '../../../src/engine/metrics.ts';
import type { JobEvent } from '../../../src/engine/record.ts';
import { launched, NOW, record } from '../../support/build.ts';

let server: MetricsServer | null = null;
afterEach(() => server?.close());

const sealed = (durationMs: number): JobEvent => ({
  type: 'checkpointed',
  atMs: NOW,
  attempt: 1,
  checkpoint: { id: 'c', step: 1, bytes: 1, durationMs, sealedAtMs: NOW, final: false },
  progress: null,
});

/** Series by name and labels. @throws when the text is not what version 0.0.4 of the format allows. */
function parsed(text: string): ReadonlyMap<string, number> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const series = new Map<string, number>();
  const types = new Map<string, string>();
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const told = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (told !== null) {
      const [, what, name = '', rest = ''] = told;
      if (what === 'HELP' && types.has(name)) throw new Error(`${name} comes twice`);
      if (what === 'TYPE') types.set(name, rest);
      family = name;
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?[\d.e+-]+)$/.exec(line);
    if (sample === null) throw new Error(`no sample: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    const own = types.get(family) === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') : name;
    if (own !== family) throw new Error(`${name} stands under ${family}`);
    if (series.has(name + labels)) throw new Error(`${name}${labels} comes twice`);
    series.set(name + labels, Number(value));
  }
  return series;
}

describe('the page of metrics', () => {
  it('is served in the text format, with counters at 0 from the start', async () => {
    const registry = createRegistry(silentLog);
    server = await serveMetrics(0, async () => registry.page([{ name: 'nerve_leader', value: 1 }]), silentLog);
    const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const series = parsed(await answer.text());
    expect(series.get('nerve_leader')).toBe(1);
    for (const [name, kind] of Object.entries(METRICS)) if (kind.type === 'counter' && !('labels' in kind)) expect(series.get(name)).toBe(0);
    expect(series.get('nerve_refusals_total{what="sealed-pod"}')).toBe(0);
    expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${server.port}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it('adds up what was appended and refused, in cumulative buckets', () => {
    const registry = createRegistry(silentLog);
    const before = record([launched(1)]);
    registry.appended(before, [sealed(1500), sealed(130_000)]);
    registry.appended(before, [sealed(700_000)]);
    registry.refused('foreign-pod');
    registry.refused('foreign-pod');
    const series = parsed(registry.page([]));
    const bucket = (le: string): number | undefined => series.get(`nerve_checkpoint_duration_seconds_bucket{le="${le}"}`);
    expect([bucket('1'), bucket('2'), bucket('120'), bucket('300'), bucket('+Inf')]).toEqual([0, 1, 1, 2, 3]);
    expect(series.get('nerve_checkpoint_duration_seconds_count')).toBe(3);
    expect(series.get('nerve_checkpoint_duration_seconds_sum')).toBe(831.5);
    expect(series.get('nerve_refusals_total{what="foreign-pod"}')).toBe(2);
  });

  it('writes any label value so that it can be read back', () => {
    const text = createRegistry(silentLog).page([{ name: 'nerve_build_info', labels: { version: 'a"b\\c\nd' }, value: 1 }]);
    expect([...parsed(text).keys()]).toContain('nerve_build_info{version="a\\"b\\\\c\\nd"}');
  });

  it('answers 500 where the figures cannot be had, and goes on', async () => {
    let fails = true;
    server = await serveMetrics(0, () => (fails ? Promise.reject(new Error('no cluster')) : Promise.resolve('')), silentLog);
    expect((await fetch(`http://127.0.0.1:${server.port}/metrics`)).status).toBe(500);
    fails = false;
    expect((await fetch(`http://127.0.0.1:${server.port}/metrics`)).status).toBe(200);
  });

  it('says which port is taken', async () => {
    server = await serveMetrics(0, () => Promise.resolve(''), silentLog);
    await expect(serveMetrics(server.port, () => Promise.resolve(''), silentLog)).rejects.toThrow(`port ${server.port}`);
  });

  it('counts nothing, and throws nothing, on a record that is not legal', () => {
    const registry = createRegistry(silentLog);
    expect(() => registry.appended(record([]), [sealed(1)])).not.toThrow();
  });
});
