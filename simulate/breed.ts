import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Mutant } from './mutant.js'

/** The compiled package: this program runs from `build/simulate`. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** What the simulator is made of: the rest of the package need not be copied for every mutant. */
const PARTS = ['engine', 'inbox', 'journal', 'lease', 'protocol', 'retention', 'system', 'testing/simulation'] as const

export type Simulation = typeof import('counterfoil/testing')

/**
 * The simulator over a copy of the compiled package in which one piece of text is another: production code with one
 * deliberate bug, and no switch for it anywhere in production code.
 *
 * @throws when the text is not there exactly once: the code has moved on, and the mutant has to follow it.
 */
export async function breed({ name, file, code, mutation }: Mutant): Promise<Simulation> {
  const home = join(ROOT, 'build', 'mutants', name.replaceAll(/[^a-z0-9]+/gi, '-'))
  await rm(home, { recursive: true, force: true })
  const isCode = (source: string): boolean => !/\.(map|d\.ts|tsbuildinfo)$/.test(source)
  for (const part of PARTS) {
    await cp(join(ROOT, 'dist', part), join(home, part), { recursive: true, filter: (source) => isCode(source) })
  }
  const path = join(home, `${file}.js`)
  const text = await readFile(path, 'utf8')
  const pieces = text.split(code)
  if (pieces.length !== 2) {
    throw new Error(
      `The mutant "${name}" wants to change ${JSON.stringify(code)}, which ${file} has ${pieces.length - 1} times.`,
    )
  }
  await writeFile(path, pieces.join(mutation))
  return (await import(pathToFileURL(join(home, 'testing', 'simulation', 'index.js')).href)) as Simulation
}
