import { WorkerProcess } from './worker-process.js'

/** Two worker processes that serve one cell after another. */
export class Lane {
  readonly #workers: (WorkerProcess | null)[] = [null, null]

  /** The worker of that place, started if there is none that lives. */
  async worker(place: number): Promise<WorkerProcess> {
    const existing = this.#workers[place]
    if (existing?.isAlive === true) return existing
    const started = await WorkerProcess.start()
    this.#workers[place] = started
    return started
  }

  /** Kills whatever state a failed cell has left behind. */
  async discard(): Promise<void> {
    for (const worker of this.#workers.splice(0, 2, null, null)) if (worker?.isAlive === true) await worker.kill()
  }

  /** Lets the workers end. */
  async end(): Promise<void> {
    await Promise.all(this.#workers.splice(0, 2, null, null).map((worker) => worker?.end()))
  }
}
