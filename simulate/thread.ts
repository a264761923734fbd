import { parentPort } from 'node:worker_threads'
import { explore, type Failure, SMALL_WORLDS, simulate } from 'counterfoil/testing'
import { breed, type Simulation } from './breed.js'
import type { Mutant } from './mutant.js'
import { MUTANTS } from './mutants.js'
import type { Done, Task, Verdict } from './tasks.js'

// Errors are thrown by the thousand here, and nobody reads where from: a failure is played again to be told.
Error.stackTraceLimit = 0

/** Seeds before the first look at whether a mutant is dead, at which most are. */
const FIRST_STRIDE = 8
/** Seeds between later looks: what is played of a stride behind the seed that kills is played for nothing. */
const STRIDE = 32

async function work(task: Task): Promise<Done> {
  switch (task.kind) {
    case 'random': {
      const { firstSeed, seeds, doubt } = task
      return { kind: 'random', summary: await simulate({ firstSeed, seeds, ...(doubt === null ? {} : { doubt }) }) }
    }
    case 'exhaustive':
      return { kind: 'exhaustive', exhausted: await explore(at(SMALL_WORLDS, task.world)) }
    case 'mutant':
      return { kind: 'mutant', verdict: await verdictOn(at(MUTANTS, task.mutant)) }
  }
}

async function verdictOn(mutant: Mutant): Promise<Verdict> {
  try {
    return await hunt(mutant)
  } catch (error) {
    const { name, withinSeeds, fromSeed = 1 } = mutant
    return { name, withinSeeds, fromSeed, killedBy: null, unseenIn: null, trouble: String(error) }
  }
}

async function hunt(mutant: Mutant): Promise<Verdict> {
  const { name, withinSeeds, fromSeed = 1, breaks, doubt } = mutant
  const mutated = await breed(mutant)
  const kills = ({ invariant }: Failure): boolean => breaks.some((rule) => invariant.startsWith(`${rule} `))
  for (let given = 0, stride = FIRST_STRIDE; given < withinSeeds; given += stride, stride = STRIDE) {
    const seeds = Math.min(stride, withinSeeds - given)
    const firstSeed = fromSeed + given
    const { violations } = await mutated.simulate({ firstSeed, seeds, ...(doubt === undefined ? {} : { doubt }) })
    const killedBy = violations.find(kills)
    if (killedBy === undefined) continue
    const unseenIn = (await isSeenIn(mutated, mutant)) ? null : (mutant.smallWorld ?? null)
    return { name, withinSeeds, fromSeed, killedBy, unseenIn, trouble: null }
  }
  return { name, withinSeeds, fromSeed, killedBy: null, unseenIn: null, trouble: null }
}

/** Whether exploring finds it too: what is not played twice must not be what would show it. */
async function isSeenIn(mutated: Simulation, { smallWorld, breaks }: Mutant): Promise<boolean> {
  if (smallWorld === undefined) return true
  const world = mutated.SMALL_WORLDS.find(({ name }) => name === smallWorld)
  if (world === undefined) throw new Error(`There is no small world "${smallWorld}".`)
  const { violations } = await mutated.explore(world)
  return violations.some(({ invariant }) => breaks.some((rule) => invariant.startsWith(`${rule} `)))
}

function at<T>(all: readonly T[], index: number): T {
  const found = all[index]
  if (found === undefined) throw new Error(`There is no number ${index} of ${all.length}.`)
  return found
}

parentPort?.on('message', (task: Task) => {
  void work(task).then((done) => parentPort?.postMessage(done))
})
