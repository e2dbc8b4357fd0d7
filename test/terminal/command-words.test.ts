import { Flags, Parser } from '@oclif/core';
import { describe, expect, it } from 'vitest';
import { commandArg, splitCommand } from '../../src/terminal/command-words.ts';

const input = {
  args: commandArg('the command'),
  flags: { deadline: Flags.string({ char: 'd' }), duration: Flags.string(), json: Flags.boolean() },
  strict: false,
};
const NERVE = ['-d', '+8h', '--duration', '10m'];
const split = (argv: readonly string[]) => splitCommand(argv, (own) => Parser.parse(own, input));

describe('the command of a job', () => {
  it.each([
    ['a value that comes twice', 'python3 args.py --layers 2 --heads 4 --gpus 2'],
    ['a file that comes twice', 'cp a.txt b.txt a.txt'],
    ['a flag that comes twice', 'python3 -m torch.distributed.run -m train'],
    ['a value that is also one of Nerve’s own', 'python3 args.py --time 10m --x 1'],
    ['a flag that is also one of Nerve’s own', 'train --json -d 3 --duration 5'],
    ['another --', 'npm run train -- --epochs 3'],
    ['nothing but a dash', 'cat -'],
  ])('is what was typed: %s', async (_, typed) => {
    const { command, parsed } = await split([...NERVE, '--', ...typed.split(' ')]);
    expect(command).toEqual(typed.split(' '));
    expect(parsed.flags).toEqual({ deadline: '+8h', duration: '10m' });
  });

  it('may do without the -- where no word of it looks like a flag', async () => {
    expect((await split([...NERVE, 'cp', 'a', 'b', 'a'])).command).toEqual(['cp', 'a', 'b', 'a']);
  });

  it('keeps empty words and spaces', async () => {
    expect((await split([...NERVE, '--', 'echo', '', 'a  b'])).command).toEqual(['echo', '', 'a  b']);
  });

  it('is none where none was typed', async () => {
    expect((await split(NERVE)).command).toEqual([]);
  });

  it('is refused where a part of it stands before the --', async () => {
    await expect(split([...NERVE, 'npm', 'run', 'train', '--', '--epochs', '3'])).rejects.toMatchObject({
      kind: 'usage',
      hint: 'Put the whole command behind it: -- npm run train --epochs 3',
    });
  });

  it('is never what is piped in', () => {
    expect(input.args.command.ignoreStdin).toBe(true);
  });
});
