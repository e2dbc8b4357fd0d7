// The one union of reasons that Decision, record, log, metric, `explain` and report share. A reason says why
// Nerve did something; the sentence that people read is made from it in explain.ts, in one place.

export type Reason =
  // holding
  | 'cheaper-window-ahead'
  | 'greener-window-ahead'
  | 'no-spot-capacity' // nothing acceptable is on offer, and slack remains
  | 'move-limit' // a third zone move in the hour is never made while slack remains
  | 'user-paused'
  | 'backing-off' // it failed by itself twice or more: the next try waits, while slack remains
  // starting
  | 'cheapest-now' // no better window is expected before the latest start time
  | 'profiling' // nobody knows how long it takes: it runs at once, on the cheapest spot, until it says
  | 'window-open' // the window that the job was held for has come
  | 'latest-start-reached' // on demand now, or late
  | 'on-demand-pays' // waiting for spot is expected to cost more than full price now
  | 'not-movable' // on demand, because Nerve could not start it again after an interruption
  | 'user-released'
  | 'retry-after-failure'
  // leaving an attempt
  | 'interruption-notice'
  | 'node-vanished'
  | 'placement-failed' // asked for, never scheduled: the market lied
  | 'not-started' // it had a machine, and no container of it began to run
  | 'cheaper-elsewhere' // a voluntary move that pays
  | 'drill' // its user wanted to see a move
  | 'taken-down' // Nerve on this machine was ended; it goes on when Nerve is started again
  | 'asked-again' // a program with the checkpoint SDK ended with exit code 75, unasked
  | 'superseded' // an attempt that the record does not know of, or that a newer one replaced
  // going on
  | 'running'
  | 'evacuating'
  // ends
  | 'completed'
  | 'user-cancelled'
  | 'retries-used-up'
  | 'deleted-by-someone-else'
  // what goes wrong, and is said
  | 'on-demand-unavailable'
  | 'price-cap'
  | 'deadline-passed';
