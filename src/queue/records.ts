// Job records: one Redis stream per job with entry ids `<n>-0`. An append names the version it read, so the entry id is
// known, and Redis itself refuses a second writer with the same id. It would accept an id further ahead: the script does not, so a
// record has no gaps. One entry is one atomic batch of events. The index of live jobs changes in the same script as the
// record, so that no crash can separate them.

import type { Redis } from 'ioredis';
import type { JobId } from '../engine/job.ts';
import type { JobEvent, JobRecord } from '../engine/record.ts';
import { type JobReport, report } from '../engine/report.ts';
import type { Records } from '../ports.ts';
import { decodeRecord, encodeEvents } from './codec.ts';
import { asNerveError } from './connection.ts';

const LIVE = 'nerve:live';
const REPORTS = 'nerve:reports';
const SAVED = 'nerve:saved';
const streamKey = (jobId: JobId): string => `nerve:job:${jobId}`;
const reportKey = (jobId: JobId): string => `nerve:report:${jobId}`;
const durationsKey = (name: string): string => `nerve:durations:${name}`;

/** Streams go after 30 days, reports after 13 months. */
const STREAM_RETENTION_SECONDS = 30 * 24 * 3600;
const REPORT_RETENTION_SECONDS = 396 * 24 * 3600;
const DURATIONS_KEPT = 25;

// KEYS: stream, live index. ARGV: entry id, events, job id, version read. 1 when appended, 0 on conflict.
const APPEND = `
if redis.call('XLEN', KEYS[1]) ~= tonumber(ARGV[4]) then return 0 end
local result = redis.pcall('XADD', KEYS[1], ARGV[1], 'e', ARGV[2])
if type(result) == 'table' and result.err then
  if string.find(result.err, 'equal or smaller') then return 0 end
  return result
end
if ARGV[1] == '1-0' then redis.call('SADD', KEYS[2], ARGV[3]) end
return 1`;

// KEYS: live index, streams. ARGV: for each stream its job id and its events. All of them or, if there is no room, none. Answers the ids
// that are somebody else's; a record that is there with these very events is ours, written by a call whose answer was lost.
const CREATE = `
local taken, made = {}, {}
for i = 2, #KEYS do
  local jobId, events = ARGV[2 * i - 3], ARGV[2 * i - 2]
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('XADD', KEYS[i], '1-0', 'e', events)
    made[#made + 1] = jobId
  else
    local first = redis.call('XRANGE', KEYS[i], '1-0', '1-0')[1]
    if not first or first[2][2] ~= events then taken[#taken + 1] = jobId end
  end
end
if #made > 0 then redis.call('SADD', KEYS[1], unpack(made)) end
return taken`;

// KEYS: report, sums. ARGV: report, its seconds, dollars, grams. Closing twice counts once.
const KEEP = `
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HINCRBYFLOAT', KEYS[2], 'usd', ARGV[3])
  redis.call('HINCRBYFLOAT', KEYS[2], 'carbonGrams', ARGV[4])
end
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])`;

export interface NewRecord {
  readonly jobId: JobId;
  readonly events: readonly JobEvent[];
}

export interface RecordsWithHistory extends Records {
  /** Many new records in one atomic step. Answers the ids that others have already: those were not written. Repeating it changes nothing. */
  createMany(records: readonly NewRecord[]): Promise<readonly JobId[]>;
  /** Ids of finished jobs, newest first. */
  finishedIds(limit: number): Promise<readonly JobId[]>;
  /** Over all jobs that were ever closed. */
  saved(): Promise<{ readonly usd: number; readonly carbonGrams: number }>;
  reportOf(jobId: JobId): Promise<JobReport | null>;
  /** Median length of finished runs of this name in ms, with how many runs it rests on; null if there are none. */
  medianDurationMs(name: string): Promise<{ readonly medianMs: number; readonly runs: number } | null>;
}

export function createRecords(redis: Redis): RecordsWithHistory {
  const append = async (jobId: JobId, readVersion: number, events: readonly JobEvent[]): Promise<number | 'conflict'> => {
    if (events.length === 0) return readVersion;
    const version = readVersion + 1;
    const done = await redis
      .eval(APPEND, 2, streamKey(jobId), LIVE, `${version}-0`, encodeEvents(events), jobId, readVersion)
      .catch((cause: unknown) => Promise.reject(asNerveError(cause, `Cannot write the record of job ${jobId}`)));
    // A conflict may be with ourselves: a write whose answer was lost with its connection is sent again. Re-reading shows it.
    return done === 1 ? version : 'conflict';
  };
  return {
    append,
    read: async (jobId) => {
      const entries = await redis
        .xrange(streamKey(jobId), '-', '+')
        .catch((cause: unknown) => Promise.reject(asNerveError(cause, `Cannot read the record of job ${jobId}`)));
      return entries.length === 0 ? null : decode(jobId, entries);
    },
    live: async () => redis.smembers(LIVE).catch((cause: unknown) => Promise.reject(asNerveError(cause, 'Cannot list the live jobs'))),
    close: async (jobId, ended) => {
      const score = ended.finishedAtMs ?? 0;
      const tx = redis
        .multi()
        .eval(KEEP, 2, reportKey(jobId), SAVED, JSON.stringify(ended), REPORT_RETENTION_SECONDS, ended.savingUsd, ended.carbonSavedGrams)
        .zadd(REPORTS, score, jobId)
        .zremrangebyscore(REPORTS, '-inf', score - REPORT_RETENTION_SECONDS * 1000)
        .expire(streamKey(jobId), STREAM_RETENTION_SECONDS)
        .srem(LIVE, jobId);
      if (ended.result === 'succeeded') {
        // A set, so that closing twice counts once.
        tx.zadd(durationsKey(ended.name), score, `${jobId} ${ended.usefulWorkMs}`).zremrangebyrank(durationsKey(ended.name), 0, -DURATIONS_KEPT - 1);
        tx.expire(durationsKey(ended.name), REPORT_RETENTION_SECONDS);
      }
      const results = await tx.exec().catch((cause: unknown) => Promise.reject(asNerveError(cause, `Cannot close job ${jobId}`)));
      const failed = results?.find(([error]) => error !== null)?.[0];
      if (failed !== undefined) throw asNerveError(failed, `Cannot close job ${jobId}`);
    },
    createMany: async (many) => {
      if (many.length === 0) return [];
      const keys = [LIVE, ...many.map(({ jobId }) => streamKey(jobId))];
      const values = many.flatMap(({ jobId, events }) => [jobId, encodeEvents(events)]);
      const taken = await redis
        .eval(CREATE, keys.length, ...keys, ...values)
        .catch((cause: unknown) => Promise.reject(asNerveError(cause, `Cannot write the records of ${many.length} jobs`)));
      return taken as readonly JobId[];
    },
    finishedIds: async (limit) => redis.zrevrange(REPORTS, 0, limit - 1),
    saved: async () => {
      const [usd, grams] = await redis
        .hmget(SAVED, 'usd', 'carbonGrams')
        .catch((cause: unknown) => Promise.reject(asNerveError(cause, 'Cannot sum up')));
      return { usd: Number(usd ?? 0), carbonGrams: Number(grams ?? 0) };
    },
    reportOf: async (jobId) => {
      const kept = await redis.get(reportKey(jobId));
      if (kept !== null) return JSON.parse(kept) as JobReport;
      const entries = await redis.xrange(streamKey(jobId), '-', '+');
      return entries.length === 0 ? null : report(decode(jobId, entries));
    },
    medianDurationMs: async (name) => {
      const members = await redis.zrange(durationsKey(name), 0, '-1');
      const lengths = members.map((m) => Number(m.split(' ')[1])).sort((a, b) => a - b);
      const medianMs = lengths[Math.floor(lengths.length / 2)];
      return medianMs === undefined ? null : { medianMs, runs: lengths.length };
    },
  };
}

function decode(jobId: JobId, entries: readonly [string, string[]][]): JobRecord {
  return decodeRecord(
    jobId,
    entries.map(([, fields]) => fields[1] ?? ''),
  );
}
