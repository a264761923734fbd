import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ConsumerPlan } from './consumer.fixture.js'

/** Runs a consumer in a process of its own until that has killed itself. */
export async function consumeUntilKilled(plan: ConsumerPlan): Promise<void> {
  const fixture = fileURLToPath(new URL('./consumer.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', fixture, JSON.stringify(plan)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  const [code, signal] = await once(child, 'exit')
  process.off('exit', kill)
  if (signal !== 'SIGKILL') throw new Error(`The consumer ended with ${code ?? signal} and not by its own hand.`)
}
