import t from 'tap'
import { atTerminal } from '../support/at-terminal.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)
const start = atTerminal(t, url)
await start(['register', 'alice']).ended

const NUMBER = /^(?:\d{5} ){11}\d{5}$/gm
const QUESTION = /Has the other device shown the same number[^]*$/

/** The link numbers on a screen, oldest first. */
function numbersIn({ lines }: { lines: string[] }): string[] {
  return lines.join('\n').match(NUMBER) ?? []
}

t.test('Two screens show the same number, and a yes on both of them links the device', async (t) => {
  const laptop = start(['--profile', 'laptop', 'login', 'alice', '--device-name', 'laptop'])
  await laptop.screen.until(QUESTION)
  const phone = start(['devices', 'approve'])
  await phone.screen.until(/Does the new device show the same number\?/)
  t.strictSame(numbersIn(phone.screen), numbersIn(laptop.screen))
  phone.keyboard.write('y')
  t.equal(await phone.ended, 0)
  laptop.keyboard.write('y')
  t.equal(await laptop.ended, 0)
  await laptop.screen.until(/^You are alice\.$/m)
})

t.test('A new number is shown and asked for when the devices of the user have changed', async (t) => {
  const tablet = start(['--profile', 'tablet', 'login', 'alice', '--device-name', 'tablet'])
  await tablet.screen.until(QUESTION)
  t.equal(await start(['devices', 'rekey']).ended, 0)
  await tablet.screen.until(/Has the other[^]*Has the other/)
  const [first, second] = numbersIn(tablet.screen)
  t.not(first, second)
  tablet.keyboard.write('y')
  await tablet.screen.until(/Waiting until the other device has approved it/)
  const phone = start(['devices', 'approve'])
  await phone.screen.until(/Does the new device show the same number\?/)
  t.strictSame(numbersIn(phone.screen), [second])
  phone.keyboard.write('y')
  t.equal(await phone.ended, 0)
  t.equal(await tablet.ended, 0)
})

t.test('The person chooses among several devices that wait', async (t) => {
  for (const name of ['old', 'new'])
    t.equal(await start(['--profile', name, 'login', 'alice', '--device-name', name, '--no-wait']).ended, 0)
  const phone = start(['devices', 'approve'])
  await phone.screen.until(
    /"old" .*\n +(\d{5} ){11}\d{5}\n.*"new" .*\n +(\d{5} ){11}\d{5}\n[^]*Which device\?[^]*"new"/
  )
  phone.keyboard.write('j')
  await phone.screen.until(/● +"new"/)
  phone.keyboard.write('\r')
  await phone.screen.until(/link number of "new" is[^]*Does the new device show the same number\?/)
  phone.keyboard.write('y')
  t.equal(await phone.ended, 0)
  t.equal(await start(['devices', 'decline']).ended, 0)
})

t.test('A no on either screen links nothing', async (t) => {
  const stranger = start(['--profile', 'stranger', 'login', 'alice', '--device-name', 'stranger'])
  await stranger.screen.until(QUESTION)
  const phone = start(['devices', 'approve'])
  await phone.screen.until(/Does the new device show the same number\?/)
  phone.keyboard.write('n')
  t.equal(await phone.ended, 130)
  stranger.keyboard.write('n')
  t.equal(await stranger.ended, 1)
  await stranger.screen.until(/is not linked/)
  const list = start(['devices'], 120)
  t.equal(await list.ended, 0)
  t.match(list.screen.lines.join('\n'), /"stranger" +pending/)
})
