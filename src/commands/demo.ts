import { NerveCommand } from '../terminal/command.ts';
export default class Demo extends NerveCommand {
  async run(): Promise<unknown> {
    return null;
  }
}
