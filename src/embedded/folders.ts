import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, cp, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './command.js'
import { EmbeddedPostgresError, systemErrorCode } from './errors.js'
import { ownerState, ownerTag } from './owner.js'

/**
 * Builds a folder aside and puts it in place by one rename, so that nobody ever sees it half made, also when several
 * processes do it at once or are killed on the way: the first one wins and the others use its folder.
 */
export async function publishFolder(
  parent: string,
  name: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const target = join(parent, name)
  if (await exists(target)) return target
  await removeAbandoned(parent, 'partial-')
  const partial = join(parent, ownedName('partial-'))
  try {
    await mkdir(partial)
    // chmod, since the umask cuts what mkdir is given.
    await chmod(partial, folderMode())
    await build(partial)
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    // Windows says EPERM where the others say that the target is not empty.
    if (await exists(target)) return target
    throw error
  }
  return target
}

/** A name that tells later starts whose it is: see {@link removeAbandoned}. */
export function ownedName(prefix: string): string {
  return `${prefix}${ownerTag()}-${randomBytes(6).toString('hex')}`
}

/** Removes what {@link ownedName} named in `parent` and whose owner is known to be dead. `keep` may object. */
export async function removeAbandoned(
  parent: string,
  prefix: string,
  keep: (folder: string) => Promise<boolean> = async () => false,
): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(prefix)) continue
    const tag = name.slice(prefix.length, name.lastIndexOf('-'))
    const folder = join(parent, name)
    if (ownerState(tag) !== 'dead' || (await keep(folder))) continue
    // Somebody else's, or another start removes it at this moment: not ours to insist.
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

/**
 * Where binaries and the template are kept between runs: the first of these that can be written and that nobody else
 * can tamper with. As root the server's own user must be able to reach it, so root's home will not do.
 * @throws EmbeddedPostgresError `no_rights` when there is none.
 */
export async function cacheFolder(chosen?: string): Promise<string> {
  const candidates = chosen === undefined ? defaultCacheFolders() : [chosen]
  const refusals: string[] = []
  for (const folder of candidates) {
    try {
      if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, folderMode())
      await access(folder, constants.W_OK | constants.X_OK)
      const status = await lstat(folder)
      const tampered = process.getuid !== undefined && (status.uid !== process.getuid() || (status.mode & 0o022) !== 0)
      if (status.isDirectory() && !tampered) return folder
      refusals.push(`${folder} (others may write to it)`)
    } catch (error) {
      refusals.push(`${folder} (${systemErrorCode(error) ?? String(error)})`)
    }
  }
  throw new EmbeddedPostgresError(
    'no_rights',
    `The embedded PostgreSQL found no cache folder of its own: ${refusals.join(', ')}. Nothing was started. ` +
      'Pass `cacheDir`, a folder that belongs to this user and that only this user can write.',
  )
}

function defaultCacheFolders(): string[] {
  const uid = process.getuid?.()
  const shared = join(tmpdir(), `counterfoil-cache-${uid ?? 'user'}`)
  if (uid === 0)
    return [process.platform === 'darwin' ? '/Library/Caches/counterfoil' : '/var/cache/counterfoil', shared]
  if (process.platform === 'win32') return [join(process.env.LOCALAPPDATA ?? homedir(), 'counterfoil'), shared]
  if (process.platform === 'darwin') return [join(homedir(), 'Library', 'Caches', 'counterfoil'), shared]
  return [join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'counterfoil'), shared]
}

/** As root the server's user must pass through our folders, yet list nothing; otherwise they are the user's alone. */
export function folderMode(): number {
  return process.getuid?.() === 0 ? 0o711 : 0o700
}

/** Copies a folder with its modes. `cp` takes a fifth of the time of Node's own copy; Windows has no `cp`. */
export async function copyFolder(source: string, target: string): Promise<void> {
  if (process.platform === 'win32') return cp(source, target, { recursive: true, preserveTimestamps: true })
  const result = await runCommand('cp', ['-Rp', source, target])
  if (result.exitCode === 0) return
  throw new EmbeddedPostgresError(
    'init_failed',
    `${source} could not be copied to ${target}. Nothing was started, and the half-made copy was removed. Often the disk ` +
      `is full: mend that and start again. \`cp\` said: ${result.output.trim()}`,
  )
}

/** Makes the names in a folder durable: a rename is safe from a power cut only after this. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false
    throw error
  }
}
