import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where Debian keeps it, by architecture. */
const LIBRARY = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((architecture) => `/usr/lib/${architecture}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path))

export const NO_FAKETIME = 'There is no libfaketime here (Debian: apt-get install libfaketime).'

/**
 * The wall clock of the workers in one place, which can step while they work (libfaketime). Their monotonic clock and
 * their timers stay true, as they do where somebody sets the time of a machine.
 */
export class WallClock {
  readonly #library: string
  readonly #folder: string

  private constructor(library: string, folder: string) {
    this.#library = library
    this.#folder = folder
  }

  /** Null where libfaketime is not to be had. */
  static async open(): Promise<WallClock | null> {
    if (LIBRARY === undefined) return null
    const clock = new WallClock(LIBRARY, await mkdtemp(join(tmpdir(), 'counterfoil-chaos-clock-')))
    await clock.step(0)
    return clock
  }

  /** What a process starts with whose clock this is. */
  get environment(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // In seconds: so long after a step at most the process sees it.
      FAKETIME_CACHE_DURATION: '1',
    }
  }

  /** From now on it is so many seconds ahead of the machine's. */
  async step(seconds: number): Promise<void> {
    await writeFile(this.#file, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`)
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#folder, 'time')
  }
}

/** What a SIGKILLed process leaves behind of libfaketime: it cannot remove it itself. */
export async function removeTracesOf(pid: number): Promise<void> {
  await Promise.all(
    [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`].map((name) => rm(join('/dev/shm', name), { force: true })),
  )
}
