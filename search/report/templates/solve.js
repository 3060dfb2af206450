"use strict";
// Equation 1 of the paper, dx/dt = α ∘ tanh(W x − u) − x with x(0) = 0, as the report's sliders ask
// it: Bogacki and Shampine's pair of orders 3 and 2, with steps that keep the error of each small.
const cellbox = {
  relative: 1e-5, absolute: 1e-6, mostSteps: 20000,

  // Float32 numbers in base64, as the page holds them.
  numbers(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  },

  // The states at ascending times, one array for each; null where the steps become too many.
  solve(weights, amplitudes, doses, times) {
    const n = amplitudes.length;
    const velocity = (x, into) => {
      for (let i = 0; i < n; i++) {
        let sum = -doses[i];
        for (let j = 0, place = i * n; j < n; j++) sum += weights[place + j] * x[j];
        into[i] = amplitudes[i] * Math.tanh(sum) - x[i];
      }
    };
    const make = () => new Float64Array(n);
    let x = make(), next = make(), k1 = make(), k4 = make();
    const k2 = make(), k3 = make(), between = make(), states = [];
    let time = 0, step = 0.05, steps = 0;
    velocity(x, k1);
    for (const wanted of times) {
      while (time < wanted - 1e-12) {
        if (++steps > this.mostSteps) return null;
        const h = Math.min(step, wanted - time);
        for (let i = 0; i < n; i++) between[i] = x[i] + h / 2 * k1[i];
        velocity(between, k2);
        for (let i = 0; i < n; i++) between[i] = x[i] + 3 * h / 4 * k2[i];
        velocity(between, k3);
        for (let i = 0; i < n; i++) next[i] = x[i] + h * (2 * k1[i] + 3 * k2[i] + 4 * k3[i]) / 9;
        velocity(next, k4);
        let worst = 0;
        for (let i = 0; i < n; i++) {
          const error = h * (-5 * k1[i] + 6 * k2[i] + 8 * k3[i] - 9 * k4[i]) / 72;
          const scale = this.absolute + this.relative * Math.max(Math.abs(x[i]), Math.abs(next[i]));
          worst = Math.max(worst, Math.abs(error) / scale);
        }
        if (!(worst <= 1) && !Number.isFinite(worst)) return null;
        if (worst <= 1) {
          time += h;
          [x, next] = [next, x];
          [k1, k4] = [k4, k1];
        }
        const change = 0.9 * Math.pow(Math.max(worst, 1e-8), -1 / 3);
        // A step cut short by a wanted time tells nothing about the steps after it.
        if (worst > 1 || h === step || change < 1) step = h * Math.min(5, Math.max(0.2, change));
      }
      states.push(Float64Array.from(x));
    }
    return states;
  },

  // What every member answers, and their mean: [time][node]; members that have no answer are left out.
  answer(model, doses, times) {
    const of = model.members
      .map((member) => {
        member.unpacked ??= [this.numbers(member.weights), this.numbers(member.amplitudes)];
        return this.solve(...member.unpacked, doses, times);
      })
      .filter((states) => states !== null);
    const summed = (pick, start) => times.map((_, t) => doses.map((_, i) =>
      of.reduce((value, states) => pick(value, states[t][i]), start)));
    return {
      solved: of.length,
      mean: summed((a, b) => a + b / of.length, 0),
      low: summed(Math.min, Infinity),
      high: summed(Math.max, -Infinity),
    };
  },
};
if (typeof module !== "undefined") module.exports = cellbox;
