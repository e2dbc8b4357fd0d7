// The table of commands, and the start. Command files are light: what they need is imported inside `run`. It must not wait at its
// top level: oclif imports this very file to find COMMANDS.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { flush, handle, type Interfaces, run, settings } from '@oclif/core';
import Agent from './commands/agent.ts';
import Cancel from './commands/cancel.ts';
import Checkpoints from './commands/checkpoints.ts';
import ConfigShow from './commands/config/show.ts';
import Demo from './commands/demo.ts';
import Doctor from './commands/doctor.ts';
import Down from './commands/down.ts';
import Drill from './commands/drill.ts';
import Explain from './commands/explain.ts';
import List from './commands/list.ts';
import Logs from './commands/logs.ts';
import Pause from './commands/pause.ts';
import QuoteCommand from './commands/quote.ts';
import Release from './commands/release.ts';
import Report from './commands/report.ts';
import Resume from './commands/resume.ts';
import SetCommand from './commands/set.ts';
import Simulate from './commands/simulate.ts';
import Status from './commands/status.ts';
import Submit from './commands/submit.ts';
import Up from './commands/up.ts';
import Wait from './commands/wait.ts';
import Watchdog from './commands/watchdog.ts';
import Webhook from './commands/webhook.ts';
import Worker from './commands/worker.ts';
import { NerveError } from './engine/errors.ts';
import { asText, exitCodeOf } from './terminal/exit-code.ts';
import { asJson } from './terminal/tell-error.ts';

export const COMMANDS = {
  agent: Agent,
  cancel: Cancel,
  checkpoints: Checkpoints,
  'config:show': ConfigShow,
  demo: Demo,
  doctor: Doctor,
  down: Down,
  drill: Drill,
  explain: Explain,
  list: List,
  logs: Logs,
  pause: Pause,
  quote: QuoteCommand,
  release: Release,
  report: Report,
  resume: Resume,
  set: SetCommand,
  simulate: Simulate,
  status: Status,
  submit: Submit,
  up: Up,
  wait: Wait,
  watchdog: Watchdog,
  webhook: Webhook,
  worker: Worker,
};

// Nobody's plugins are compiled here, whatever NODE_ENV says.
settings.enableAutoTranspile = false;

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));
const typed = process.argv.slice(2);
run(typed, self.endsWith('.ts') ? { root, pjson: fromSource() } : root).then(
  () => flush(),
  (error: Error) => {
    if (!/^command .* not found$/.test(error.message)) return handle(error);
    const told = noSuchCommand();
    if (typed.includes('--json')) process.stdout.write(`${JSON.stringify(asJson(told), null, 2)}\n`);
    else process.stderr.write(asText(told));
    process.exitCode = exitCodeOf(told);
    return undefined;
  },
);

/** Also what is left over after a command that takes no argument: the parser takes it for a part of the command's name. */
function noSuchCommand(): NerveError {
  const words = typed.filter((word) => !word.startsWith('-'));
  const known = Object.keys(COMMANDS).find((id) => id === words[0]);
  if (known === undefined)
    return new NerveError('usage', `There is no command "${words.join(' ')}".`, { hint: '"nerve --help" lists those there are.' });
  return new NerveError('usage', `"nerve ${known}" does not take "${words.slice(1).join(' ')}".`, { hint: `See "nerve ${known} --help".` });
}

/** package.json names the built table; where nothing was built, this file is it. */
function fromSource(): Interfaces.PJSON {
  const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Interfaces.PJSON;
  return { ...pjson, oclif: { ...pjson.oclif, commands: { strategy: 'explicit', target: './src/cli.ts', identifier: 'COMMANDS' } } };
}
