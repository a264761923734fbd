import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rmdir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const PREFIX = 'counterfoil-chaos-disk-'
/** Only what is used of it takes memory. */
const ROOMY = 'size=4g'

export const NO_SMALL_DISK = 'No file system can be mounted here (it takes Linux and root), so no disk can be filled.'

/** A disk of the database's own, in memory, which can be made as small as what is on it. */
export class SmallDisk {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Null where none can be mounted. */
  static async mount(): Promise<SmallDisk | null> {
    await unmountAbandoned()
    const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `${ROOMY},mode=0755`, 'counterfoil-chaos', folder])
      // The server is another user, who has to get through.
      await chmod(folder, 0o755)
      return new SmallDisk(folder)
    } catch {
      await rmdir(folder)
      return null
    }
  }

  /** From now on there is no room for one page more. */
  async fill(): Promise<void> {
    // What is written between looking and shrinking makes it fail: look again.
    for (let tries = 1; ; tries++) {
      const { blocks, bfree, bsize } = await statfs(this.folder)
      try {
        return await this.#remount(`size=${(blocks - bfree) * bsize}`)
      } catch (error) {
        if (tries >= 20) throw error
      }
    }
  }

  async free(): Promise<void> {
    await this.#remount(ROOMY)
  }

  async unmount(): Promise<void> {
    await run('umount', ['--lazy', this.folder])
    await rmdir(this.folder)
  }

  async #remount(options: string): Promise<void> {
    await run('mount', ['-o', `remount,${options}`, this.folder])
  }
}

/** The disks of runs that were killed. */
async function unmountAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(name.slice(PREFIX.length).split('-')[0])
    if (!name.startsWith(PREFIX) || isAlive(pid)) continue
    await run('umount', ['--lazy', join(tmpdir(), name)]).catch(() => undefined)
    await rmdir(join(tmpdir(), name)).catch(() => undefined)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
