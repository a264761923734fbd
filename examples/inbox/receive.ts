import { counterfoil, type Order, placeOrder } from './shop.js'

export async function onMessage(message: { readonly id: string; readonly order: Order }): Promise<string> {
  const { duplicate, result } = await counterfoil.receive({ source: 'orders', id: message.id }, (tx) =>
    placeOrder(tx, message.order),
  )
  return duplicate ? `${result.placed} was placed before` : `${result.placed} is placed`
}
