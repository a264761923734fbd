import type { Fault, Stage } from '../fault.js'
import { PREFETCH, WITHHELD_MS } from '../timing.js'
import { onFirstCharge, publish, untilCharged } from './striking.js'

export const killed: Fault = {
  name: 'killed',
  title: 'worker killed before its commit',
  story: 'The worker gets SIGKILL after the gateway has committed and before it can itself; another takes over.',
  strikesAtMost: PREFETCH,
  async inject(stage) {
    await killAfterCharge(stage)
    await stage.join()
    publish(stage, stage.spared)
  },
}

/**
 * The struck orders go to the only worker there is. When the gateway has taken the money for all of them, and before
 * its answer leaves, the worker is killed; the broker has its messages back.
 */
export async function killAfterCharge(stage: Stage): Promise<void> {
  await stage.gateway.setFaults(onFirstCharge(stage.struck, () => ({ kind: 'delay', afterCommitMs: WITHHELD_MS })))
  const victim = await stage.join()
  publish(stage, stage.struck)
  await untilCharged(stage, stage.struck)
  stage.broker.lose(victim)
  await victim.kill()
}
