import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import { EmbeddedPostgresError } from './errors.js'

export interface UserId {
  readonly uid: number
  readonly gid: number
}

/**
 * Who runs PostgreSQL, which refuses to run as root. As an ordinary user: that user, and both are undefined. As root:
 * `server` is a number that no other program uses, so that nothing else on the machine can read the files or signal the
 * server (as `nobody`, which many daemons share, could); `initialiser` has a name, since initdb and single-user mode
 * look up the name of their user and stop where there is none.
 */
export interface ServerUsers {
  readonly server: UserId | undefined
  readonly initialiser: UserId | undefined
}

/** Between the ranges that distributions, systemd and user namespaces hand out (systemd's UIDS-GIDS.md). */
const SERVER_UID = 61_054

/** Chooses the users. `dataFolder`, when it exists already, stays with the user who owns it. */
export function chooseUsers(dataFolder?: string): ServerUsers {
  if (process.getuid?.() !== 0) return { server: undefined, initialiser: undefined }
  const owner = dataFolder === undefined ? undefined : statSync(dataFolder, { throwIfNoEntry: false })
  const server =
    owner !== undefined && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : { uid: SERVER_UID, gid: SERVER_UID }
  return { server, initialiser: namedUser() }
}

/** @throws EmbeddedPostgresError `user_unnamed` when initdb could not look up its user. */
export function requireNamedUser(users: ServerUsers): void {
  if (users.server !== undefined) {
    if (users.initialiser !== undefined) return
    throw new EmbeddedPostgresError(
      'user_unnamed',
      'PostgreSQL refuses to run as root, and /etc/passwd names no other user as whom to set it up. Nothing was ' +
        'started. Add one (for example the line "nobody:x:65534:65534::/nonexistent:/bin/false") or run as another user.',
    )
  }
  try {
    userInfo()
  } catch (cause) {
    throw new EmbeddedPostgresError(
      'user_unnamed',
      `PostgreSQL's initdb needs a user with a name, and user id ${process.getuid?.()} has none on this machine. ` +
        'Nothing was started. Add an entry for it to /etc/passwd, or run as a user that has one.',
      { cause },
    )
  }
}

/** The first folder on the way to `path` (itself included) that `user` may not enter by its mode bits. */
export function firstClosedFolder(path: string, user: UserId): string | undefined {
  const folders: string[] = []
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    folders.unshift(folder)
    if (folder === dirname(folder)) break
  }
  return folders.find((folder) => {
    const status = statSync(folder, { throwIfNoEntry: false })
    if (status === undefined) return false
    const shift = status.uid === user.uid ? 6 : status.gid === user.gid ? 3 : 0
    return ((status.mode >> shift) & 1) === 0
  })
}

function namedUser(): UserId | undefined {
  let lines: string[]
  try {
    lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  } catch {
    return undefined
  }
  const users = lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.split(':'))
    .map(([name, , uid, gid]) => ({
      name,
      uid: Number(uid) >>> 0,
      gid: Number(gid) >>> 0,
      complete: gid !== undefined,
    }))
    .filter((user) => user.complete && user.uid !== 0)
  const chosen = users.find((user) => user.name === 'nobody') ?? users[0]
  return chosen === undefined ? undefined : { uid: chosen.uid, gid: chosen.gid }
}
