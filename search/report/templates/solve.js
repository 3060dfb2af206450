"use strict";
// Equation 1 of the paper, dx/dt = α ∘ tanh(W x − u) − x with x(0) = 0, or a form of it, as the report's
// sliders ask it: Bogacki and Shampine's pair of orders 3 and 2, with steps that keep the error of each small.
const cellbox = {
  relative: 1e-5, absolute: 1e-6, mostSteps: 20000,

  curves: {
    tanh: Math.tanh,
    linear: (z) => z,
    clip: (z) => Math.min(1, Math.max(-1, z)),
    polynomial: (z) => z * Math.abs(z) / (1 + z * z),
  },
  softplus: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),

  // Float32 numbers in base64, as the page holds them.
  numbers(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  },

  // The states at ascending times, one array for each; null where the steps become too many.
  // form: what the equation has beside Eq. 1, see cellbox/networks/form.py; null for nothing.
  // Nodes behind those that have doses are hidden, and have none.
  solve(weights, amplitudes, given, times, form) {
    const n = amplitudes.length, doses = Array.from({length: n}, (_, i) => given[i] ?? 0);
    const own = form ? form.values : {}, curve = form ? form.curve : "tanh";
    const part = (name, i, none) => own[name] ? own[name][i] : none;
    const treated = doses.some((dose) => dose !== 0) ? 1 : 0;
    // What doses do to other nodes, target by source, adds to what these are given.
    const acting = doses.map((dose, i) => own.off_target
      ? own.off_target[i].reduce((sum, effect, j) => sum + effect * doses[j], dose) : dose);
    const pushed = acting.map((dose, i) => part("drive", i, 0) + treated * part("treated_drive", i, 0)
      - part("dose_scale", i, 1) * dose / (1 + part("dose_saturation", i, 0) * Math.abs(dose)));
    const decay = doses.map((_, i) => part("decay", i, 1));
    const pace = doses.map((_, i) => part("time_scale", i, 1));
    const answer = this.curves[curve];
    const velocity = (x, into) => {
      for (let i = 0; i < n; i++) {
        let sum = pushed[i];
        const place = i * n;
        if (curve === "hill") {
          for (let j = 0; j < n; j++) {
            sum += Math.LN2 - this.softplus(-2 * Math.LN2 * weights[place + j] * x[j]);
          }
          into[i] = pace[i] * (Math.exp(sum - Math.LN2 * x[i]) - 1) / Math.LN2;
        } else {
          for (let j = 0; j < n; j++) sum += weights[place + j] * x[j];
          into[i] = pace[i] * (amplitudes[i] * answer(sum) - decay[i] * x[i]);
        }
      }
    };
    const make = () => new Float64Array(n);
    const offset = doses.map((_, i) => treated * part("offset", i, 0));
    const measured = (x) => x.map((value, i) => value + offset[i]);
    let x = make().map((_, i) => part("start", i, 0)), next = make(), k1 = make(), k4 = make();
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
      states.push(measured(x));
    }
    return states;
  },

  // The drawn networks of a model as their W and α; all have the same edges, [target, source] each.
  drawn({count, edges, weights, amplitudes}) {
    const ofEdges = this.numbers(weights), paces = this.numbers(amplitudes), n = paces.length / count;
    return Array.from({length: count}, (_, k) => {
      const matrix = new Float32Array(n * n);
      edges.forEach(([i, j], e) => { matrix[i * n + j] = ofEdges[k * edges.length + e]; });
      return [matrix, paces.subarray(k * n, (k + 1) * n)];
    });
  },

  // The mean of the members' answers, [time][node], and its 90 % interval as `cellbox predict` has it: by how
  // far members lie apart, or draws from the network; NaN where some could not be solved. Members that have no
  // answer are left out.
  answer(model, doses, times) {
    const every = model.members.map((member) => {
      member.unpacked ??= [this.numbers(member.weights), this.numbers(member.amplitudes)];
      return this.solve(...member.unpacked, doses, times, member.form);
    });
    const of = every.filter((states) => states !== null);
    const grid = (value) => times.map((_, t) => doses.map((_, i) => value(t, i)));
    const mean = grid((t, i) => of.reduce((sum, states) => sum + states[t][i] / of.length, 0));
    let others = every, nFree = every.length - 1;
    if (model.draws && of.length) {
      model.draws.unpacked ??= this.drawn(model.draws);
      others = model.draws.unpacked.map((network) => this.solve(...network, doses, times, null));
      nFree = others.length;
    }
    const known = model.quantile !== null && others.every((states) => states !== null);
    const half = grid((t, i) => known ? model.quantile * Math.sqrt(others.reduce((sum, states) =>
      sum + (states[t][i] - mean[t][i]) ** 2, 0) / nFree) : NaN);
    // Where responses begin: the mean of x(0) as it would be measured.
    const treated = doses.some((dose) => dose !== 0) ? 1 : 0;
    const begun = (i) => model.members.reduce((sum, {form}) => sum + (form
      ? (form.values.start?.[i] ?? 0) + treated * (form.values.offset?.[i] ?? 0) : 0), 0);
    return {
      start: doses.map((_, i) => begun(i) / model.members.length),
      solved: of.length,
      mean,
      low: grid((t, i) => mean[t][i] - half[t][i]),
      high: grid((t, i) => mean[t][i] + half[t][i]),
    };
  },
};
if (typeof module !== "undefined") module.exports = cellbox;
