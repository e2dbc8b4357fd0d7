// Worker and agent as the chart starts them: the very programs of `nerve worker` and `nerve agent`, without the command line around them, which
// would be a third of the agent's memory. dist/cli.js comes here where NERVE_TARGET is "cluster" (scripts/build.ts).

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { environment } from './config/environment.ts';
import { EC2_METADATA } from './config/in-cluster.ts';
import { NerveError } from './engine/errors.ts';
import { asText, exitCodeOf } from './terminal/exit-code.ts';
import { untilStopped } from './terminal/until-stopped.ts';

const [role, ...rest] = process.argv.slice(2);

async function agent(args: readonly string[]): Promise<void> {
  const { runClusterAgents } = await import('./wire-agent.ts');
  const { node, imds } = flagsOf(args);
  await runClusterAgents(node ?? null, imds ?? environment()['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? EC2_METADATA, untilStopped());
}

function flagsOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: { node: { type: 'string', multiple: true }, imds: { type: 'string' } } }).values;
  } catch (cause) {
    throw new NerveError('usage', cause instanceof Error ? cause.message : String(cause), { cause, hint: 'See "nerve agent --help".' });
  }
}

async function worker(): Promise<void> {
  const [{ loadConfig }, { runClusterWorker }] = await Promise.all([import('./config/load.ts'), import('./wire-cluster.ts')]);
  await runClusterWorker(loadConfig().config, version(), untilStopped());
}

const version = (): string => (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }).version;

(role === 'agent' ? agent(rest) : worker()).then(
  () => process.exit(0),
  (error: unknown) => {
    const known = error instanceof NerveError ? error : null;
    process.stderr.write(known === null ? `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n` : asText(known));
    process.exit(known === null ? 1 : exitCodeOf(known));
  },
);
