// The command line is an interface that scripts rest on: a flag that goes, changes its letter or its kind has to be meant.

import { readdirSync } from 'node:fs';
import type { Command } from '@oclif/core';
import { expect, it } from 'vitest';
import { NerveCommand } from '../../src/terminal/command.ts';

/** Every file there is: importing the table in src/cli.ts would run it. */
const files = readdirSync('src/commands', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort();
const COMMANDS = Object.fromEntries(
  await Promise.all(
    files.map(
      async (name) =>
        [
          name.slice(0, -3).replaceAll('/', ':'),
          ((await import(/* @vite-ignore */ `../../src/commands/${name}`)) as { default: typeof Command }).default,
        ] as const,
    ),
  ),
);

interface Shape {
  readonly type: string;
  readonly char?: string;
  readonly required?: boolean;
  readonly multiple?: boolean;
  readonly options?: readonly string[];
}

const written = ({ type, char, required, multiple, options }: Shape): string =>
  [
    type,
    char === undefined ? '' : `-${char}`,
    required === true ? 'required' : '',
    multiple === true ? 'repeatable' : '',
    options === undefined ? '' : options.join('|'),
  ]
    .filter((part) => part !== '')
    .join(' ');

const lines = (command: string, flags: Readonly<Record<string, unknown>> | undefined): readonly string[] =>
  Object.entries(flags ?? {}).map(([name, flag]) => `${command} --${name}: ${written(flag as Shape)}`);

it('has the flags and arguments that it had', async () => {
  const all = Object.entries(COMMANDS).flatMap(([id, command]) => [
    [id, ...Object.keys(command.args ?? {}).map((arg) => arg.toUpperCase())].join(' '),
    ...lines(id, command.flags),
  ]);
  await expect(`${[...lines('every command', NerveCommand.baseFlags), ...all].join('\n')}\n`).toMatchFileSnapshot('flags.snapshot.txt');
});

it('says what every flag is for', () => {
  const silent = Object.entries(COMMANDS).flatMap(([id, command]) =>
    Object.entries(command.flags ?? {}).flatMap(([name, flag]) =>
      ((flag as { description?: string }).description ?? '') === '' ? [`${id} --${name}`] : [],
    ),
  );
  expect(silent).toEqual([]);
});

it('gives no letter two meanings in one command, and -n is a namespace everywhere, as in kubectl', () => {
  const base = Object.values(NerveCommand.baseFlags).flatMap((flag) => flag.char ?? []);
  expect(base).toContain('n');
  const clashes = Object.entries(COMMANDS).filter(([, command]) => {
    const letters = [...base, ...Object.values(command.flags ?? {}).flatMap((flag) => (flag as Shape).char ?? [])];
    return new Set(letters).size !== letters.length;
  });
  expect(clashes.map(([id]) => id)).toEqual([]);
});
