import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('connections that are cut while they end, in a blackhole or out of it, let the process come to its own end', () => {
  const proxy = fileURLToPath(new URL('./proxy.ts', import.meta.url))
  const program = `
    import { once } from 'node:events'
    import { connect, createServer } from 'node:net'
    import { TcpProxy } from ${JSON.stringify(proxy)}
    const server = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = await TcpProxy.to({ host: '127.0.0.1', port: server.address().port })
    const client = connect(proxy.port, '127.0.0.1').on('error', () => undefined)
    client.write('hello')
    await Promise.all([once(server, 'connection'), once(client, 'connect')])
    proxy.blackhole()
    client.end()
    setTimeout(() => { proxy.open('deliver'); proxy.cut(); proxy.close(); server.close(); client.destroy() }, 50)
  `
  const ended = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    timeout: 10_000,
    encoding: 'utf8',
  })
  expect({ status: ended.status, signal: ended.signal, stderr: ended.stderr }).toEqual({
    status: 0,
    signal: null,
    stderr: '',
  })
})
