import { clockFrom } from '../../src/adapters/system/clock.ts';
import { NOW } from '../support/build.ts';
import { wallClock } from '../support/clock.ts';
import { simProcess } from '../support/sim/process.ts';
import { simTime } from '../support/sim/time.ts';
import { clockContract, type ClockRig } from './clock.ts';

const itself: ClockRig['settle'] = (promise) => promise;

clockContract('memory', () => {
  const time = simTime(NOW);
  return {
    clock: simProcess(time, 'one', { errorMs: 0 }).clock,
    settle: async (promise) => {
      let settled = false;
      const watched = Promise.allSettled([promise]).then(() => {
        settled = true;
      });
      await time.run(NOW + 7_200_000, () => settled);
      await watched;
      return promise;
    },
  };
});
clockContract('the tests', () => ({ clock: wallClock, settle: itself }));
clockContract('production', () => ({ clock: clockFrom({ realMs: 0, virtualMs: 0, speed: 1 }), settle: itself }));
clockContract('this machine, fast', () => ({ clock: clockFrom({ realMs: Date.now(), virtualMs: NOW, speed: 600 }), settle: itself }));
