import type { Conversation } from '../client/index.js'
import { printToStderr, type Io } from './terminal/io.js'

/** In a group of this size it is likely that one person loses all devices one day. */
const MANY_MEMBERS = 10

/** A large group with one admin can't be changed any more once that admin is gone. */
export function recommendAdmin(io: Io, { id, members }: Conversation): void {
  const admins = members.filter(({ role }) => role === 'admin')
  if (members.length < MANY_MEMBERS || admins.length > 1) return
  printToStderr(
    io,
    `A group of ${members.length} needs a second admin, who goes on when the first one can't: ` +
      `secure-chat group role ${id} NAME admin`
  )
}
