import t from 'tap'
import { linkNumber, linkText, type DeviceLink } from '../../src/crypto/link-number.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

const { cases } = vectors<{
  cases: { title: string; link: DeviceLink; text?: string; number?: string; refused?: string }[]
}>('link-numbers')

t.test('The link number depends on every line, and malformed links have none', async (t) => {
  const numbers = new Set<string>()
  for (const { title, link, text, number, refused } of cases)
    if (refused === undefined) {
      t.equal(linkText(link), text, title)
      t.equal(await linkNumber(link), number)
      t.match(number, /^(\d{5} ){11}\d{5}$/)
      numbers.add(number!)
    } else {
      t.equal(await refusal(linkNumber(link)), refused, title)
      t.equal(await refusal((async () => linkText(link))()), refused)
    }
  t.equal(numbers.size, cases.filter(({ refused }) => refused === undefined).length)
})
