// Value <-> any struct that lists its fields. A struct declares each field once:
//
//   struct Stop {
//     std::string signal;
//     Duration grace;
//     static constexpr auto fields() { return listed(field("signal", &Stop::signal), field("grace", &Stop::grace)); }
//   };
//
// An enum lists its words in Names<E>. A type with a spelling of its own has from_value and to_value members.
// Writing puts every field down, an empty optional as null; reading takes null and absence alike as an empty optional.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "schema/path.hpp"
#include "schema/value.hpp"

namespace fabric {

// A Value that does not have the shape of the type it is read into. Readers of users' text validate against a schema first, so
// for them this cannot happen; for a frame or a file of our own it names the place.
struct BindingError : std::runtime_error {
  BindingError(Path p, const std::string& what)
      : std::runtime_error((p.empty() ? std::string("the document") : p.str()) + ": " + what), path(std::move(p)) {}
  Path path;
};

template <class Owner, class T>
struct FieldOf {
  using type = T;
  std::string_view name;
  T Owner::*member;
};

template <class Owner, class T>
constexpr FieldOf<Owner, T> field(std::string_view name, T Owner::*member) {
  return {name, member};
}

// What fields() returns: calls what it is given for each field. Not a tuple, which takes a compiler ten times as long.
template <class... Field>
constexpr auto listed(Field... fields) {
  return [fields...](auto&& visit) { (visit(fields), ...); };
}

// The word `auto` in a field of a job that may be left to the compiler.
struct Auto {
  friend bool operator==(Auto, Auto) = default;
};

template <class E>
struct Names;  // static constexpr std::array<std::pair<std::string_view, E>, N> table

template <class T>
concept Described = requires {
  T::fields();
};

template <class T>
concept Named = std::is_enum_v<T> && requires {
  Names<T>::table;
};

template <class T>
concept SelfBound = requires(const T& t, const Value& v, const Path& p) {
  { T::from_value(v, p) } -> std::same_as<T>;
  { t.to_value() } -> std::same_as<Value>;
};

template <Named E>
constexpr std::string_view name_of(E e) {
  for (const auto& [name, value] : Names<E>::table)
    if (value == e) return name;
  return "?";
}

template <Named E>
constexpr std::optional<E> from_name(std::string_view text) {
  for (const auto& [name, value] : Names<E>::table)
    if (name == text) return value;
  return std::nullopt;
}

template <class T>
struct Codec;

template <class T>
T from_value(const Value& value, const Path& path = {}) {
  return Codec<T>::read(value, path);
}

template <class T>
Value to_value(const T& t) {
  return Codec<T>::write(t);
}

// Calls visit(field) for each field of T.
template <Described T, class Visit>
constexpr void for_each_field(Visit&& visit) {
  T::fields()(visit);
}

[[noreturn]] inline void binding_fails(const Path& path, std::string_view wanted, const Value& got) {
  // null is also what an absent field reads as.
  if (got.is_null()) throw BindingError(path, std::string(wanted) + " is missing here");
  throw BindingError(path, "expected " + std::string(wanted) + ", found " + std::string(kind_name(got.kind())));
}

template <>
struct Codec<bool> {
  static bool read(const Value& v, const Path& p) { return v.is_bool() ? v.as_bool() : (binding_fails(p, "a boolean", v), false); }
  static Value write(bool b) { return b; }
};

template <>
struct Codec<std::int64_t> {
  static std::int64_t read(const Value& v, const Path& p) {
    const std::optional<std::int64_t> whole = v.whole();
    return whole ? *whole : (binding_fails(p, "an integer", v), 0);
  }
  static Value write(std::int64_t i) { return i; }
};

template <>
struct Codec<double> {
  static double read(const Value& v, const Path& p) { return v.is_number() ? v.as_real() : (binding_fails(p, "a number", v), 0); }
  static Value write(double d) { return d; }
};

template <>
struct Codec<std::string> {
  static std::string read(const Value& v, const Path& p) {
    if (!v.is_string()) binding_fails(p, "a string", v);
    return v.as_string();
  }
  static Value write(const std::string& s) { return s; }
};

template <>
struct Codec<Value> {
  static Value read(const Value& v, const Path&) { return v; }
  static Value write(const Value& v) { return v; }
};

template <class T>
struct Codec<std::vector<T>> {
  static std::vector<T> read(const Value& v, const Path& p) {
    if (!v.is_array()) binding_fails(p, "a list", v);
    std::vector<T> out;
    out.reserve(v.as_array().size());
    for (std::size_t i = 0; i < v.as_array().size(); ++i) out.push_back(from_value<T>(v.as_array()[i], p / i));
    return out;
  }
  static Value write(const std::vector<T>& items) {
    Value out = Value::array();
    for (const T& item : items) out.as_array().push_back(to_value(item));
    return out;
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static std::map<std::string, T> read(const Value& v, const Path& p) {
    if (!v.is_object()) binding_fails(p, "a map", v);
    std::map<std::string, T> out;
    for (const Member& m : v.as_object()) out.emplace(m.key, from_value<T>(m.value, p / m.key));
    return out;
  }
  static Value write(const std::map<std::string, T>& items) {
    Value out = Value::object();
    for (const auto& [key, item] : items) out.as_object().push_back({key, to_value(item)});
    return out;
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static std::optional<T> read(const Value& v, const Path& p) {
    if (v.is_null()) return std::nullopt;
    return from_value<T>(v, p);
  }
  static Value write(const std::optional<T>& t) { return t ? to_value(*t) : Value(); }
};

template <class T>
struct Codec<std::variant<Auto, T>> {
  static std::variant<Auto, T> read(const Value& v, const Path& p) {
    if (v.is_string() && v.as_string() == "auto") return Auto{};
    return from_value<T>(v, p);
  }
  static Value write(const std::variant<Auto, T>& t) { return std::holds_alternative<Auto>(t) ? Value("auto") : to_value(std::get<T>(t)); }
};

template <Named E>
struct Codec<E> {
  static E read(const Value& v, const Path& p) {
    if (!v.is_string()) binding_fails(p, "a word", v);
    const std::optional<E> e = from_name<E>(v.as_string());
    if (!e) throw BindingError(p, "unknown word '" + v.as_string() + "'");
    return *e;
  }
  static Value write(E e) { return name_of(e); }
};

template <SelfBound T>
struct Codec<T> {
  static T read(const Value& v, const Path& p) { return T::from_value(v, p); }
  static Value write(const T& t) { return t.to_value(); }
};

template <Described T>
struct Codec<T> {
  static T read(const Value& v, const Path& p) {
    if (!v.is_object()) binding_fails(p, "a map", v);
    T out{};
    for_each_field<T>([&](const auto& f) {
      using F = typename std::decay_t<decltype(f)>::type;
      static const Value absent;
      const Value* member = v.find(f.name);
      out.*(f.member) = from_value<F>(member ? *member : absent, p / f.name);
    });
    return out;
  }
  static Value write(const T& t) {
    Value out = Value::object();
    for_each_field<T>([&](const auto& f) { out.as_object().push_back({std::string(f.name), to_value(t.*(f.member))}); });
    return out;
  }
};

}  // namespace fabric
